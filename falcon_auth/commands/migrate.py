"""`migrate`: create and change the tables of DATABASE_URL."""

from __future__ import annotations

from typing import Literal

import click

from falcon_auth.commands.serve import read_settings


@click.command("migrate")
@click.argument("direction", default="up", type=click.Choice(["up", "down"]))
@click.option(
    "--sql", is_flag=True, help="Print the SQL (all tables, or one step down) and run nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--database",
    metavar="NAME",
    help="The name of the database, or of SQLite's file; any other is refused. Required to go down "
    "from the first version, which drops every table.",
)
def migrate_database(
    direction: Literal["up", "down"], *, sql: bool, yes: bool, database: str | None
) -> None:
    """Migrate the tables of DATABASE_URL to the newest version, or one version down.

    Going down deletes what the lower version has no columns or tables for.
    """
    # Imported here: no other command loads Alembic.
    from falcon_auth.stores.sql.migrate import (  # noqa: PLC0415
        DatabaseNameError,
        MigrationError,
        migrate,
        migration_sql,
    )

    url = _database_url()
    if sql:
        click.echo(migration_sql(url, direction), nl=False)
        return
    if direction == "down" and not yes:
        click.confirm("Going down may lose data. Continue?", abort=True)
    try:
        try:
            done = migrate(url, direction, database=database)
        except DatabaseNameError:
            if yes or database is not None:
                raise
            database = click.prompt("This drops every table. Enter the database's name")
            done = migrate(url, direction, database=database)
        click.echo(done, nl=False)
    except MigrationError as error:
        raise click.ClickException(f"DATABASE_URL: {error}") from None


def _database_url() -> str:
    url = read_settings().database
    if url is None:
        raise click.ClickException("DATABASE_URL: is not set, so there is nothing to migrate")
    return url.get_secret_value()
