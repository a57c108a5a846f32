"""The commands: `falcon-auth COMMAND`, or `python -m falcon_auth COMMAND`.

Each has a module of its own, which is loaded when the command runs, so that `--help` is fast and no
command loads what only another one needs.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple

try:
    import click
except ModuleNotFoundError:
    sys.exit("click is not installed: the commands come with falcon-auth-service[server]")

from falcon_auth import __version__
from falcon_auth.extras import say_missing


class _Lazy(NamedTuple):
    """The location of a command, and its help, so that `--help` need not import it."""

    module: str
    name: str
    help: str


# Each help text is the first sentence of the command's docstring.
COMMANDS = {
    "capacity": _Lazy(
        "capacity",
        "capacity",
        "Say how many cores, processes and database writes a number of users needs.",
    ),
    "audit": _Lazy("audit", "audit", "Read, export and verify the audit trail."),
    "hash-cost": _Lazy(
        "hash_cost",
        "hash_cost",
        "Time bcrypt and Argon2 on this machine, and recommend settings.",
    ),
    "keys": _Lazy("keys", "keys", "Rotate the keys of JWT_KEY_DIRECTORY."),
    "mail": _Lazy("mail", "mail", "Preview the mails, and send a test mail."),
    "migrate": _Lazy(
        "migrate",
        "migrate_database",
        "Migrate the tables of DATABASE_URL to the newest version, or one version down.",
    ),
    "openapi": _Lazy(
        "openapi", "openapi", "Print the OpenAPI document, as /openapi.json serves it."
    ),
    "outbox": _Lazy(
        "outbox",
        "outbox",
        "List undelivered messages, and retry failed ones.",
    ),
    "roles": _Lazy("roles", "roles", "List, define and delete roles."),
    "secret": _Lazy(
        "keys",
        "secret",
        "Create a key: a text for JWT_SECRET_KEY, or PEM for JWT_PRIVATE_KEY_FILE.",
    ),
    "seed": _Lazy("seed", "seed", "Create COUNT sample users for development."),
    "serve": _Lazy("serve_command", "serve", "Serve with waitress until SIGTERM or Ctrl-C."),
    "service-token": _Lazy(
        "keys",
        "service_token",
        "Create a credential with which the service NAME may introspect tokens.",
    ),
    "users": _Lazy(
        "users",
        "users",
        "List, show, create, invite, disable, enable, delete, import, export users; grant roles.",
    ),
}


class _Commands(click.Group):
    """A click group that imports a command only when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's shape
        """Return the names of all commands, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command with that name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        try:
            command: click.Command = getattr(import_module(f"falcon_auth.commands.{module}"), name)
        except ModuleNotFoundError as error:
            raise click.ClickException(f"{say_missing(error)}.") from None
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in sorted(COMMANDS)])


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="falcon-auth")
def cli() -> None:
    """Run and administer a Falcon Auth service. Settings come from the environment and `.env`."""


if __name__ == "__main__":
    cli(prog_name="falcon-auth")
