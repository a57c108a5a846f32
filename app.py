"""Serve Falcon Auth: `python app.py`, or `app:application` for another WSGI server."""

from __future__ import annotations

import sys

from falcon_auth.commands.serve import build, build_for_server, serve_app

application = build() if __name__ == "__main__" else build_for_server()

if __name__ == "__main__":
    sys.exit(serve_app(application))
