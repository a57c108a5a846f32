"""Migrate a database to the version of this code, and check which version it has."""

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
# Each wait for a lock is short (`postgres.MIGRATION_LOCK_SECONDS`): requests that want the table
# meanwhile, a log-in say, queues behind it. In the pauses they all have their turn.
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
LOCK_NOT_AVAILABLE = "55P03"


class MigrationError(Exception):
    """The database could not be migrated; it is as it was. The message holds no value of it."""


class DatabaseNameError(MigrationError):
    """The step drops every table, and the database's name was not given, or another one."""


def migrate(
    url: str,
    direction: Literal["up", "down"],
    *,
    database: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> str:
    """Migrate the database of DATABASE_URL; return a line that says what was done.

    To go down from the first version drops every table: *database* has to be its name then.
    Raises `MigrationError`, and `DatabaseNameError` for a name that is missing or wrong.
    """
    try:
        engine = open_engine(url, pool_size=1, patient=True)
        try:
            before = current_revision(engine)
            if before is not None and before not in REVISIONS:
                raise MigrationError("the database is of a newer version of this service")
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
                "other transactions, or another migration, held the tables for "
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

    Raises `DatabaseNameError` where *database* is given and is not the database's name, and
    SQLAlchemy's errors, that of the lock after *patience_seconds*.
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
    """Migrate down one version in one transaction; what the lower one cannot hold is lost.

    From the first version, *database* has to be the database's name. Raises as `upgrade` does,
    and `CommandError` where there is no version below.
    """

    def step(connection: Connection) -> None:
        # Looked at under the lock: another process may have gone down a step meanwhile.
        is_first = read_revision(connection) == REVISIONS[0]
        _check_name(connection, database, needed=is_first)
        command.downgrade(_config(connection=connection), "-1")

    _run(engine, step, patience_seconds)


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
    """Make others wait until this transaction is over; SQLite does by itself."""
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
        raise DatabaseNameError("this drops every table: give the database's name with --database")
    if given != name:
        raise DatabaseNameError("the database has another name; nothing was changed")


def _config(output: io.StringIO | None = None, **attributes: object) -> Config:
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", "falcon_auth.stores.sql:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    return config
