"""The limit of the server: one bare Falcon resource, on the service's own server and threads.

    python -m benchmarks.bare PORT

Whatever the service's server gains over plain waitress, this limit gains too.
"""

from __future__ import annotations

import gc
import sys

import falcon

from falcon_auth.serving import Server, serve
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
    server = Server(app, host="127.0.0.1", port=int(sys.argv[1]), threads=threads)
    gc.freeze()  # As the service does.
    return serve(server)


if __name__ == "__main__":
    sys.exit(main())
