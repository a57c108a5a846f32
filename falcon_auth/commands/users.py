"""`users`: list, create, disable, enable and import accounts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from falcon_auth.api.views import show_user
from falcon_auth.commands.import_users import import_users
from falcon_auth.commands.store import open_service
from falcon_auth.errors import AuthError, InvalidBodyError
from falcon_auth.models import User
from falcon_auth.wiring import Service


@click.group()
def users() -> None:
    """List, create, disable, enable and import users."""


users.add_command(import_users)


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="An object a line, as the API shows users.")
def list_users(*, as_json: bool) -> None:
    """List all users by e-mail address: name, state, registration, last log-in.

    Columns are parted by tabs. No hash is shown.
    """
    with _administer() as service:
        for user in service.administration.users():
            click.echo(json.dumps(show_user(user)) if as_json else _row(user))


@users.command()
@click.argument("email")
@click.option("--username", help="3 to 50 ASCII letters, digits and underscores.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create(email: str, username: str | None, *, password_stdin: bool) -> None:
    """Create a user by the rules of registration; the password is asked for."""
    with _administer() as service:
        password = _read_password() if password_stdin else _ask_password()
        user = service.administration.create(email=email, password=password, username=username)
        click.echo(user.id)


@users.command()
@click.argument("email")
def disable(email: str) -> None:
    """Disable a user: no log-in any more, and all sessions end at once."""
    with _administer() as service:
        service.administration.set_active(email, active=False)


@users.command()
@click.argument("email")
def enable(email: str) -> None:
    """Enable a user that was disabled; its sessions stay ended."""
    with _administer() as service:
        service.administration.set_active(email, active=True)


@contextmanager
def _administer() -> Iterator[Service]:
    """Open the service; a refusal becomes one line a breach, and exit code 1."""
    with open_service() as service:
        try:
            yield service
        except InvalidBodyError as error:
            raise click.ClickException(" ".join(each.detail for each in error.breaches)) from None
        except AuthError as error:
            raise click.ClickException(error.detail) from None


def _ask_password() -> str:
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _read_password() -> str:
    """Read one line; what ends it is no part of the password."""
    try:
        return sys.stdin.buffer.readline().decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise click.ClickException("The password is no valid UTF-8.") from None


def _row(user: User) -> str:
    shown = show_user(user)
    state = "active" if user.is_active else "disabled"
    cells = (user.email, user.username, state, shown["created_at"], shown["last_login_at"])
    return "\t".join(_printable(cell or "-") for cell in cells)


def _printable(text: str) -> str:
    """Escape what a terminal might obey: addresses are their owners' choice."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
