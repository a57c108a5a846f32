"""`users`: invite, delete and export users, and remove unverified ones."""

from __future__ import annotations

import json
import time

import click

from falcon_auth.accounts.exporting import export_user
from falcon_auth.commands.administering import administer, printable
from falcon_auth.delivery.topics import INVITATION

SECONDS_PER_DAY = 24 * 3600


@click.command()
@click.argument("email")
@click.option("--username", help="3 to 50 ASCII letters, digits and underscores.")
def invite(email: str, username: str | None) -> None:
    """Invite a user by a mail with a link to choose a password, which is valid for 7 days.

    If the service sends no mail, the link is printed for you to pass on. A user who has not
    accepted an earlier invitation is invited again.
    """
    with administer() as service:
        invitation = service.life.inviting.invite(email=email, username=username)
        click.echo(invitation.user.id)
        if invitation.token is not None:
            base = service.settings.public_base
            click.echo(f"{base}{INVITATION.page}#token={invitation.token}")


@click.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(email: str, *, yes: bool) -> None:
    """Delete a user, and everything stored about them, immediately and irrevocably."""
    with administer() as service:
        user = service.administration.find(email)
        if not yes:
            click.confirm(f"Delete {printable(user.email)} for good?", abort=True, err=True)
        service.administration.delete(user)


@click.command()
def export() -> None:
    """Print all users, with their password hashes, as JSON Lines for `users import`."""
    with administer() as service:
        for user in service.administration.users():
            click.echo(json.dumps(export_user(user)))


@click.command("remove-unverified")
@click.option(
    "--older-than",
    "days",
    default=30,
    show_default=True,
    type=click.IntRange(min=1),
    help="Days since the user registered or was invited.",
)
@click.option("--dry-run", is_flag=True, help="Only list them.")
def remove_unverified(days: int, *, dry_run: bool) -> None:
    """Delete users who have never verified their address or logged in.

    Such users prevent others from using the address. Users with a live session are kept. Prints the
    id of each deleted user.
    """
    with administer() as service:
        administration, sessions = service.administration, service.store.sessions
        now = time.time()
        # Listed first, because deletions would shift the pages that are still to be read.
        found = list(administration.unverified(created_before=now - days * SECONDS_PER_DAY))
        gone = (
            user
            for user in found
            if not sessions.list_live(user.id, now=now)
            and (dry_run or administration.delete(user, only_unchanged=True))
        )
        for user in gone:
            click.echo(user.id)
