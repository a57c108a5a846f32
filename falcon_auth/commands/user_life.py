"""`users`: invite, delete, export, and remove those who never came."""

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
    """Invite somebody: a mail goes there with a link to choose a password, good for 7 days.

    Where the service sends no mail, the link is printed instead: hand it over yourself. Who was
    invited before and has not come yet is invited again.
    """
    with administer() as service:
        invitation = service.life.inviting.invite(email=email, username=username)
        click.echo(invitation.user.id)
        if invitation.token is not None:
            base = service.settings.public_base
            click.echo(f"{base}{INVITATION.page}#token={invitation.token}")


@click.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(email: str, *, yes: bool) -> None:
    """Delete a user with all that is kept of it, at once. There is no way back."""
    with administer() as service:
        user = service.administration.find(email)
        if not yes:
            click.confirm(f"Delete {printable(user.email)} for good?", abort=True, err=True)
        service.administration.delete(user)


@click.command()
def export() -> None:
    """Print all users as JSON Lines, which `users import` takes. It holds the passwords' hashes."""
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
    """Delete users who never proved that the address is theirs, nor logged in.

    They keep others from using the address. Who has a live session stays. Prints each id.
    """
    with administer() as service:
        administration, sessions = service.administration, service.store.sessions
        now = time.time()
        # Listed first: what is deleted must not move the pages that are still to come.
        found = list(administration.unverified(created_before=now - days * SECONDS_PER_DAY))
        gone = (
            user
            for user in found
            if not sessions.list_live(user.id, now=now)
            and (dry_run or administration.delete(user, only_unchanged=True))
        )
        for user in gone:
            click.echo(user.id)
