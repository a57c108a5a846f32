"""Bring a database to the version of the tables that this code is for, or say that it is not."""

from __future__ import annotations

import io
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, exc, func, select

from falcon_auth.stores.database import DatabaseUrlError, describe_error, open_engine
from falcon_auth.stores.schema import REVISIONS, current_revision

MIGRATION_LOCK = 0x66616C6D  # PostgreSQL's advisory locks are numbers that applications choose.
NOTHING = "base"  # Alembic's name for a database without tables.


class MigrationError(Exception):
    """The database could not be migrated; it is as it was. The message holds no value of it."""


def migrate(url: str, direction: Literal["up", "down"]) -> str:
    """Migrate the database of DATABASE_URL; return a line that says what was done.

    Raises `MigrationError`.
    """
    try:
        engine = open_engine(url, pool_size=1, patient=True)
        try:
            before = current_revision(engine)
            if before is not None and before not in REVISIONS:
                raise MigrationError("the database is of a newer version of this service")
            (upgrade if direction == "up" else downgrade)(engine)
            after = current_revision(engine)
        finally:
            engine.dispose()
    except (DatabaseUrlError, CommandError) as error:
        raise MigrationError(str(error)) from None
    except exc.DBAPIError as error:
        raise MigrationError(describe_error(error)) from None
    if before == after:
        return f"The database is at {after} already.\n"
    return f"The database went from {before or NOTHING} to {after or NOTHING}.\n"


def migration_sql(url: str, direction: Literal["up", "down"]) -> str:
    """Return the SQL for DATABASE_URL's kind of database: from nothing, or one step down."""
    dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
    return (upgrade_sql if direction == "up" else downgrade_sql)(dialect)


def upgrade(engine: Engine, *, to: str = REVISIONS[-1]) -> None:
    """Go up to a version; all or nothing. Processes that do so at once wait for one another."""
    with engine.begin() as connection:
        _lock(connection)
        command.upgrade(_config(connection=connection), to)


def downgrade(engine: Engine) -> None:
    """Go down one version; all or nothing. What the lower one has no place for is lost.

    Raises `CommandError` where there is none.
    """
    with engine.begin() as connection:
        _lock(connection)
        command.downgrade(_config(connection=connection), "-1")


def upgrade_sql(dialect: str) -> str:
    """Return the SQL that makes the tables from nothing."""
    text = io.StringIO()
    command.upgrade(_config(text, dialect=dialect), REVISIONS[-1], sql=True)
    return text.getvalue()


def downgrade_sql(dialect: str) -> str:
    """Return the SQL that goes from the newest version to the one below."""
    text = io.StringIO()
    lower = (NOTHING, *REVISIONS)[-2]
    command.downgrade(_config(text, dialect=dialect), f"{REVISIONS[-1]}:{lower}", sql=True)
    return text.getvalue()


def _lock(connection: Connection) -> None:
    """Make others wait until this transaction is over; SQLite does by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))


def _config(output: io.StringIO | None = None, **attributes: object) -> Config:
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", "falcon_auth.stores:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    return config
