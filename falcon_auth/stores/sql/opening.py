"""Open the database at start-up: check that it answers and has this version's tables."""

from __future__ import annotations

from sqlalchemy import Engine, exc

from falcon_auth.breaker import Breaker
from falcon_auth.stores.sql.audit_chain import CHAINED
from falcon_auth.stores.sql.database import Database, describe_error, open_engine
from falcon_auth.stores.sql.tables import REVISIONS, current_revision

COMMAND = "python -m falcon_auth migrate"


class DatabaseUnfitError(Exception):
    """The service cannot use the database. The message quotes no part of the URL."""


class DatabaseSilentError(DatabaseUnfitError):
    """The database does not answer, so its state could not be checked."""


def open_database(
    url: str, *, pool_size: int, threshold: int, timeout: int, chained: bool = False
) -> Database:
    """Return a database that is ready for use, after migrating it if it is SQLite.

    *threshold* and *timeout* (seconds) are the circuit breaker's; *chained*: audit events are
    written in their hash chain. Raises `DatabaseUrlError` and
    `DatabaseUnfitError`, or its subclass `DatabaseSilentError` if the database does not answer.
    """
    engine = open_engine(url, pool_size=pool_size)
    try:
        _make_fit(engine)
    except (exc.DBAPIError, exc.TimeoutError) as error:
        reason = describe_error(error) if isinstance(error, exc.DBAPIError) else "no connection"
        kind = DatabaseUnfitError if engine.dialect.name == "sqlite" else DatabaseSilentError
        raise kind(f"the database cannot be used: {reason}") from None
    finally:
        engine.dispose()  # No connection may be open when a server forks its workers.
    if chained:
        engine = engine.execution_options(**{CHAINED: True})
    return Database(engine, Breaker("database", threshold=threshold, timeout=timeout))


def _make_fit(engine: Engine) -> None:
    revision = current_revision(engine)
    if revision == REVISIONS[-1]:
        return
    if revision is not None and revision not in REVISIONS:
        raise DatabaseUnfitError("the database was migrated by a newer version of this service")
    if engine.dialect.name != "sqlite":
        raise DatabaseUnfitError(f"the database is behind this version; run `{COMMAND}` first")
    from falcon_auth.stores.sql.migrate import upgrade  # noqa: PLC0415 - loads Alembic

    upgrade(engine)
