"""`seed`: sample users for development."""

from __future__ import annotations

import sys
from contextlib import suppress

import click
from tqdm import tqdm

from falcon_auth.audit.trail import COMMAND
from falcon_auth.commands.administering import verbose_option
from falcon_auth.commands.serve import build, read_settings
from falcon_auth.commands.store import is_verbose
from falcon_auth.errors import DuplicateEmailError


@click.command()
@click.argument("count", default=100, type=click.IntRange(1, 1_000_000))
@verbose_option
@click.option("--password", default="correct horse battery", help="The password of all of them.")
def seed(count: int, password: str) -> None:
    """Create COUNT sample users for development.

    They are user1@example.com and so on, and are stored in DATABASE_URL or SNAPSHOT_FILE. They all
    share one hash, which makes this fast: never do it in a store with real users.
    """
    settings = read_settings(logs=sys.stderr, only_errors=not is_verbose())
    if settings.environment == "production":
        raise click.ClickException("Sample users are refused in production.")
    if settings.snapshot_file is None and settings.database is None:
        raise click.ClickException(
            "Set DATABASE_URL or SNAPSHOT_FILE: in memory, they would end with this command."
        )
    service = build(settings).service
    made = 0
    try:
        password_hash = service.passwords.hash(password)
        for number in tqdm(range(1, count + 1), desc="users", unit="user"):
            with suppress(DuplicateEmailError):
                service.administration.create_with_hash(
                    email=f"user{number}@example.com",
                    username=None,
                    password_hash=password_hash,
                    actor=COMMAND,
                )
                made += 1
    finally:
        service.close()
    click.echo(
        f"The users created now, of user1 to user{count}@example.com, have the password: {password}"
    )
    click.echo(f"{made} users created, {count - made} existed already.")
