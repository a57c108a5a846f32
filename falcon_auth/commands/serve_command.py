"""`serve`: the command. `serve.py` has the part shared with `app.py`, which does not need click."""

from __future__ import annotations

import sys

import click

from falcon_auth.commands.serve import build, serve_app


@click.command()
def serve() -> None:
    """Serve with waitress until SIGTERM or Ctrl-C."""
    sys.exit(serve_app(build()))
