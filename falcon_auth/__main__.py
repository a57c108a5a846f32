"""The commands: `python -m falcon_auth COMMAND`. The longer ones have modules of their own."""

from __future__ import annotations

import json
import sys

import click

from falcon_auth import __version__
from falcon_auth.api.openapi import build_document
from falcon_auth.commands.hash_cost import hash_cost
from falcon_auth.commands.keys import keys, secret, service_token
from falcon_auth.commands.migrate import migrate_database
from falcon_auth.commands.seed import seed
from falcon_auth.commands.users import users
from falcon_auth.launch import build, serve_app


@click.group()
@click.version_option(__version__, prog_name="falcon-auth")
def cli() -> None:
    """Run and look after a Falcon Auth service. Settings come from the environment and `.env`."""


for command in (secret, keys, service_token, hash_cost, migrate_database, seed, users):
    cli.add_command(command)


@cli.command()
def serve() -> None:
    """Serve with waitress until SIGTERM or Ctrl-C."""
    sys.exit(serve_app(build()))


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document, as /openapi.json serves it."""
    click.echo(json.dumps(build_document(), indent=2))


if __name__ == "__main__":
    cli()
