"""Another service, guarded by the tokens of Falcon Auth: `python examples/orders.py`.

It verifies them on its own, by the keys that Falcon Auth publishes.
"""

from __future__ import annotations

import os
import sys

from falcon import Request, Response

from falcon_auth.server import Server, serve
from falcon_auth.verifier import GuardedApp, Verifier, public


class Orders:
    """Guarded: nothing has to be said for that."""

    def on_get(self, req: Request, resp: Response) -> None:
        """List the caller's orders."""
        resp.media = {"orders_of": req.context.caller.email}


@public
class Health:
    """Open to everyone, because it says so."""

    def on_get(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - Falcon's shape
        """Tell that the process is alive."""
        resp.media = {"status": "ok"}


def make_app() -> GuardedApp:
    """Build the application."""
    verifier = Verifier.from_jwks(
        os.environ.get("JWKS_URL", "http://127.0.0.1:8000/.well-known/jwks.json"),
        issuer=os.environ.get("JWT_ISSUER"),
        audience=os.environ.get("JWT_AUDIENCE"),
    )
    app = GuardedApp(verifier)
    app.add_route("/orders", Orders())
    app.add_route("/health/ready", Health())
    return app


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8001"))
    sys.exit(serve(Server(make_app(), host="127.0.0.1", port=port, threads=16)))
