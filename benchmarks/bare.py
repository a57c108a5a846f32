"""The limit of the server: one bare Falcon resource, on the service's own server and threads.

    python -m benchmarks.bare PORT [--waitress]

Whatever the service's server gains over plain waitress, this limit gains too. The other limit is
`waitress.serve` itself, with as many threads.
"""

from __future__ import annotations

import gc
import sys

import falcon
import waitress

from falcon_auth.commands.serve import GARBAGE_THRESHOLD
from falcon_auth.server import Server, serve
from falcon_auth.settings import Settings


class Hello:
    """The least that a resource can do."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Greet."""
        resp.media = {"message": "hello"}


def main() -> int:
    """Serve until SIGTERM."""
    app = falcon.App()
    app.add_route("/hello", Hello())
    app.add_route("/health", Hello())
    threads = Settings.model_fields["request_threads"].default
    port = int(sys.argv[1])
    gc.freeze()  # As the service does,
    gc.set_threshold(GARBAGE_THRESHOLD)  # and this.
    if "--waitress" in sys.argv:
        waitress.serve(
            app,
            host="127.0.0.1",
            port=port,
            threads=threads,
            connection_limit=2_000,
            asyncore_use_poll=True,
        )
        return 0
    return serve(Server(app, host="127.0.0.1", port=port, threads=threads))


if __name__ == "__main__":
    sys.exit(main())
