"""`migrate`: the tables of DATABASE_URL."""

from __future__ import annotations

from typing import Literal

import click

from falcon_auth.launch import read_settings


@click.command("migrate")
@click.argument("direction", default="up", type=click.Choice(["up", "down"]))
@click.option("--sql", is_flag=True, help="Print the SQL, from nothing or one step down; run none.")
@click.option("--yes", is_flag=True, help="Go down without asking.")
def migrate_database(direction: Literal["up", "down"], *, sql: bool, yes: bool) -> None:
    """Bring the tables of DATABASE_URL to the newest version, or one version down.

    Down loses what the lower version has no place for.
    """
    # Imported here: no other command loads Alembic.
    from falcon_auth.stores.migrate import (  # noqa: PLC0415
        MigrationError,
        migrate,
        migration_sql,
    )

    url = _database_url()
    if sql:
        click.echo(migration_sql(url, direction), nl=False)
        return
    if direction == "down" and not yes:
        click.confirm("Going down may lose data. Go on?", abort=True)
    try:
        click.echo(migrate(url, direction), nl=False)
    except MigrationError as error:
        raise click.ClickException(f"DATABASE_URL: {error}") from None


def _database_url() -> str:
    url = read_settings().database_url
    if url is None:
        raise click.ClickException("DATABASE_URL: is needed; in memory there is nothing to migrate")
    return url.get_secret_value()
