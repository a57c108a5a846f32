"""`seed`: made-up users, to try things with."""

from __future__ import annotations

from contextlib import suppress

import click
from tqdm import tqdm

from falcon_auth.errors import DuplicateEmailError
from falcon_auth.launch import build, read_settings


@click.command()
@click.argument("count", default=100, type=click.IntRange(1, 1_000_000))
@click.option("--password", default="correct horse battery", help="The one they all get.")
def seed(count: int, password: str) -> None:
    """Make COUNT users up, to try things with: user1@example.com and so on.

    They are kept by DATABASE_URL or SNAPSHOT_FILE. All share one hash, so that this is quick:
    never do it where real users are.
    """
    settings = read_settings()
    if settings.environment == "production":
        raise click.ClickException("Made-up users are refused in production.")
    if settings.snapshot_file is None and settings.database_url is None:
        raise click.ClickException(
            "Set DATABASE_URL or SNAPSHOT_FILE: in memory they would end with this command."
        )
    service = build(settings).service
    made = 0
    try:
        password_hash = service.passwords.hash(password)
        for number in tqdm(range(1, count + 1), desc="users", unit="user"):
            with suppress(DuplicateEmailError):
                service.accounts.create(
                    email=f"user{number}@example.com", username=None, password_hash=password_hash
                )
                made += 1
    finally:
        service.close()
    click.echo(f"{made} users made, {count - made} were there already.")
