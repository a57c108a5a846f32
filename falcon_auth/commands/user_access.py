"""`users show`, `users set-password` and `users end-sessions`: one user, and the ways in."""

from __future__ import annotations

import json
from typing import Any

import click

from falcon_auth.api.views import show_session, show_user
from falcon_auth.audit.trail import COMMAND
from falcon_auth.commands.administering import (
    administer,
    get_password,
    json_option,
    password_stdin_option,
    printable,
    verbose_option,
)
from falcon_auth.service import Service
from falcon_auth.store.directory import UserChange


@click.command()
@click.argument("email")
@json_option
@verbose_option
def show(email: str, *, as_json: bool) -> None:
    """Show a user and their live sessions, newest first, without hashes and tokens."""
    with administer() as service:
        shown = _show(service, email)
    if as_json:
        click.echo(json.dumps(shown))
        return
    for name, value in shown["user"].items():
        click.echo(f"{name:<16}{_text(value)}")
    click.echo(f"{'sessions':<16}{len(shown['sessions'])}")
    for session in shown["sessions"]:
        since, agent = session["created_at"], session["user_agent"]
        click.echo(f"  {session['id']}  since {since}  {_text(session['ip'])}  {_text(agent)}")


@click.command("set-password")
@click.argument("email")
@password_stdin_option
@verbose_option
def set_password(email: str, *, password_stdin: bool) -> None:
    """Set a user's password by the rules of registration; all their sessions end at once."""
    with administer() as service:
        user = service.administration.find(email)
        password = get_password(from_stdin=password_stdin)
        ended = service.administration.set_password(email, password, actor=COMMAND)
        click.echo(f"{printable(user.email)} has a new password; {ended} sessions ended.")


@click.command("end-sessions")
@click.argument("email")
@verbose_option
def end_sessions(email: str) -> None:
    """End all sessions of a user: all their tokens are refused from now on."""
    with administer() as service:
        user = service.administration.find(email)
        changed = service.user_changes.change(user.id, UserChange(end_sessions=True))
        click.echo(f"{printable(user.email)}: {changed.ended} sessions ended.")


def _show(service: Service, email: str) -> dict[str, Any]:
    user = service.administration.find(email)
    sessions = []
    for session in service.sessions.list_of(user.id):
        shown = show_session(session, current="")
        del shown["current"]  # The command has no session of its own.
        sessions.append(shown)
    return {"user": show_user(user), "sessions": sessions}


def _text(value: object) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else printable(str(value))
