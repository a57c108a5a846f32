"""`users`: list, create, enable and disable users, and remove their factors."""

from __future__ import annotations

import json

import click

from falcon_auth.api.views import show_listed_user, show_user
from falcon_auth.audit.trail import COMMAND
from falcon_auth.commands.administering import (
    administer,
    get_password,
    json_option,
    password_stdin_option,
    printable,
    verbose_option,
)
from falcon_auth.commands.import_users import import_users
from falcon_auth.commands.user_access import end_sessions, set_password, show
from falcon_auth.commands.user_life import delete, export, invite, remove_unverified
from falcon_auth.commands.user_roles import grant, revoke
from falcon_auth.models import User
from falcon_auth.store.directory import UserChange


@click.group()
def users() -> None:
    """List, show, create, invite, disable, enable, delete, import, export users; grant roles."""


_MORE = (
    import_users,
    export,
    invite,
    show,
    set_password,
    end_sessions,
    delete,
    remove_unverified,
    grant,
    revoke,
)
for command in _MORE:
    users.add_command(command)


@users.command("list")
@click.option("--query", help="Only users with this in the address or the name, in any case.")
@click.option("--role", help="Only users who have this role.")
@click.option("--disabled", is_flag=True, help="Only users who are disabled.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line, as in the API."
)
@verbose_option
def list_users(*, query: str | None, role: str | None, disabled: bool, as_json: bool) -> None:
    """List users, newest first: address, name, state, registration, last log-in.

    Columns are separated by tabs. No hash is shown.
    """
    with administer() as service:
        active = False if disabled else None
        for user in service.directory.users(query=query, role=role, active=active):
            click.echo(json.dumps(show_listed_user(user)) if as_json else _row(user))


@users.command()
@click.argument("email")
@click.option("--username", help="3 to 50 ASCII letters, digits and underscores.")
@password_stdin_option
@json_option
@verbose_option
def create(email: str, username: str | None, *, password_stdin: bool, as_json: bool) -> None:
    """Create a user by the rules of registration, and print the id; prompts for the password."""
    with administer(may_create=True) as service:
        password = get_password(from_stdin=password_stdin)
        user = service.administration.create(
            email=email, password=password, username=username, actor=COMMAND
        )
        click.echo(json.dumps(show_user(user)) if as_json else user.id)


@users.command()
@click.argument("email")
@verbose_option
def disable(email: str) -> None:
    """Disable a user: they can no longer log in, and all their sessions end at once."""
    with administer() as service:
        user = service.administration.set_active(email, active=False)
        click.echo(f"{printable(user.email)} is disabled.")


@users.command()
@click.argument("email")
@verbose_option
def enable(email: str) -> None:
    """Enable a disabled user; sessions that were ended stay ended."""
    with administer() as service:
        user = service.administration.set_active(email, active=True)
        click.echo(f"{printable(user.email)} is enabled.")


@users.command("remove-factors")
@click.argument("email")
@verbose_option
def remove_factors(email: str) -> None:
    """Remove all second factors and recovery codes of a user who has lost them.

    Afterwards the password alone is enough to log in, so verify the user's identity first. The user
    is notified.
    """
    with administer() as service:
        user = service.administration.find(email)
        changed = service.user_changes.change(user.id, UserChange(remove_factors=True))
        click.echo(f"{changed.before.factor_count} removed")


def _row(user: User) -> str:
    shown = show_user(user)
    state = "active" if user.is_active else "disabled"
    cells = (user.email, user.username, state, shown["created_at"], shown["last_login_at"])
    return "\t".join(printable(cell or "-") for cell in cells)
