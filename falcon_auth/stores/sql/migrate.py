"""Migrates a database up or down."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, exc, func, select

from falcon_auth.stores.sql.database import DatabaseUrlError, describe_error, open_engine
from falcon_auth.stores.sql.tables import REVISIONS, current_revision, read_revision

MIGRATION_LOCK = 0x66616C6D  # PostgreSQL's advisory locks are numbers that applications choose.
NOTHING = "base"  # Alembic's name for a database without tables.
# Each wait for a lock is short (`postgres.MIGRATION_LOCK_SECONDS`), because requests that need the
# table queue behind it; they get their turn in the pauses.
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
LOCK_NOT_AVAILABLE = "55P03"


class MigrationError(Exception):
    """The database could not be migrated, and is unchanged. The message contains no data."""


class DatabaseNameError(MigrationError):
    """The step would drop every table, and the given database name is missing or wrong."""


def migrate(
    url: str,
    direction: Literal["up", "down"],
    *,
    database: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> str:
    """Migrate the database of DATABASE_URL; return a line that says what was done.

    Going down from the first version drops every table, and requires the name of the *database*.
    Raises `MigrationError`, and `DatabaseNameError` if the name is missing or wrong.
    """
    try:
        engine = open_engine(url, pool_size=1, patient=True)
        try:
            before = current_revision(engine)
            if before is not None and before not in REVISIONS:
                raise MigrationError("the database was migrated by a newer version of this service")
            move = upgrade if direction == "up" else downgrade
            move(engine, database=database, patience_seconds=patience_seconds)
            after = current_revision(engine)
        finally:
            engine.dispose()
    except (DatabaseUrlError, CommandError) as error:
        raise MigrationError(str(error)) from None
    except exc.DBAPIError as error:
        if _is_locked_out(error):
            raise MigrationError(
                "other transactions, or another migration, locked the tables for "
                f"{patience_seconds:.0f} s; nothing was changed"
            ) from None
        raise MigrationError(describe_error(error)) from None
    if before == after:
        return f"The database is at {after} already.\n"
    return f"The database went from {before or NOTHING} to {after or NOTHING}.\n"


def migration_sql(url: str, direction: Literal["up", "down"]) -> str:
    """Return the SQL for DATABASE_URL's kind of database: from nothing, or one step down."""
    dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
    return (upgrade_sql if direction == "up" else downgrade_sql)(dialect)


def upgrade(
    engine: Engine,
    *,
    to: str = REVISIONS[-1],
    database: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> None:
    """Migrate up to a version in one transaction; concurrent migrations wait for each other.

    Raises `DatabaseNameError` if *database* is given and is not the database's name, and
    SQLAlchemy's errors; a lock time-out is raised only after *patience_seconds*.
    """

    def step(connection: Connection) -> None:
        _check_name(connection, database)
        command.upgrade(_config(connection=connection), to)

    _run(engine, step, patience_seconds)


def downgrade(
    engine: Engine,
    *,
    database: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> None:
    """Migrate down one version in one transaction; data that it has no place for is lost.

    From the first version, *database* must be the database's name. Raises what `upgrade` raises,
    and `CommandError` if there is no lower version.
    """

    def step(connection: Connection) -> None:
        # Checked under the lock: another process may have gone down a step in the meantime.
        is_first = read_revision(connection) == REVISIONS[0]
        _check_name(connection, database, needed=is_first)
        command.downgrade(_config(connection=connection), "-1")

    _run(engine, step, patience_seconds)


def upgrade_sql(dialect: str) -> str:
    """Return the SQL that creates all tables."""
    text = io.StringIO()
    command.upgrade(_config(text, dialect=dialect), REVISIONS[-1], sql=True)
    return text.getvalue()


def downgrade_sql(dialect: str) -> str:
    """Return the SQL that migrates from the newest version to the one below."""
    text = io.StringIO()
    lower = (NOTHING, *REVISIONS)[-2]
    command.downgrade(_config(text, dialect=dialect), f"{REVISIONS[-1]}:{lower}", sql=True)
    return text.getvalue()


def _run(engine: Engine, step: Callable[[Connection], None], patience_seconds: float) -> None:
    """Run *step* in one transaction; start again if a lock could not be obtained."""
    give_up_at = time.monotonic() + patience_seconds
    while True:
        try:
            with engine.begin() as connection:
                _exclude_other_migrations(connection)
                step(connection)
        except exc.OperationalError as error:
            if not _is_locked_out(error) or time.monotonic() >= give_up_at:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _exclude_other_migrations(connection: Connection) -> None:
    """Make other migrations wait until this transaction ends; SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))


def _is_locked_out(error: exc.DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE


def _check_name(connection: Connection, given: str | None, *, needed: bool = False) -> None:
    if given is None and not needed:
        return
    if connection.dialect.name == "sqlite":
        name: str | None = Path(connection.engine.url.database or "").name
    else:
        name = connection.scalar(select(func.current_database()))
    if given is None:
        raise DatabaseNameError(
            "this drops every table; confirm it with --database and the database's name"
        )
    if given != name:
        raise DatabaseNameError("this is not the database's name; nothing was changed")


def _config(output: io.StringIO | None = None, **attributes: object) -> Config:
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", "falcon_auth.stores.sql:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    return config
