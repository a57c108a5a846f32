"""A database: its engine, its breaker, and the one place where its errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Executable, Row, exc, text
from sqlalchemy.engine import URL, make_url

from falcon_auth.errors import StoreUnavailableError
from falcon_auth.stores.breaker import Breaker, OutageError
from falcon_auth.stores.postgres import open_postgres
from falcon_auth.stores.sqlite import open_sqlite

log = structlog.get_logger("falcon_auth.database")

# These say that a statement is wrong, not that the database is away.
_OWN_FAULTS = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)


class DatabaseUrlError(ValueError):
    """DATABASE_URL names no database that can be used. The message holds nothing of it."""


class Database:
    """Runs statements. Safe to call from any thread.

    Every method raises `StoreUnavailableError` where the database cannot answer in time; what
    the transaction did is then undone.
    """

    def __init__(self, engine: Engine, breaker: Breaker) -> None:
        self.engine = engine
        self.breaker = breaker
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def kind(self) -> str:
        """Return `sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run statements that hold together; they are undone if the block raises."""
        with self._watch(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def single(self) -> Iterator[Connection]:
        """Run statements each of which stands alone: one round trip, without BEGIN and COMMIT."""
        with self._watch(), self._single.connect() as connection:
            yield connection

    def one(self, statement: Executable, parameters: dict[str, Any]) -> Row[Any] | None:
        """Run one statement; return its first row."""
        with self.single() as connection:
            return connection.execute(statement, parameters).first()

    def all(self, statement: Executable, parameters: Any) -> list[Row[Any]]:
        """Run one statement; return its rows."""
        with self.single() as connection:
            return list(connection.execute(statement, parameters))

    def change(self, statement: Executable, parameters: dict[str, Any]) -> int:
        """Run one statement; return how many rows it changed."""
        with self.single() as connection:
            return connection.execute(statement, parameters).rowcount

    def check(self) -> None:
        """Make a round trip."""
        with self.single() as connection:
            connection.execute(text("SELECT 1"))

    def describe(self) -> dict[str, Any]:
        """Say, for readiness, what this is, whether it answers, and what it cannot do."""
        try:
            self.check()
            status = "ok"
        except StoreUnavailableError:
            status = "unavailable"
        described = {"status": status, "kind": self.kind, "breaker": self.breaker.state}
        if self.kind == "sqlite":
            described["limits"] = "processes of one machine"
        return described

    def close(self) -> None:
        """Close the connections that nobody uses; the next statement opens one again."""
        self.engine.dispose()

    @contextmanager
    def _watch(self) -> Iterator[None]:
        with self.breaker.guard():
            try:
                yield
            except _OWN_FAULTS:
                raise
            except exc.DBAPIError as error:
                if self._is_outage(error):
                    raise OutageError(describe_error(error)) from None
                log.error("statement_failed", reason=describe_error(error))  # noqa: TRY400 - the traceback may quote rows
                raise StoreUnavailableError from None
            except exc.TimeoutError:
                log.error("pool_exhausted")  # noqa: TRY400 - the word is enough
                raise StoreUnavailableError from None

    def _is_outage(self, error: exc.DBAPIError) -> bool:
        """Return whether the server is away; a lock, a full disk or a slow statement is not that.

        Without a statement the error came from connecting, or from the commit.
        """
        away = error.connection_invalidated or error.statement is None
        return away and self.kind != "sqlite"


def open_engine(url: str, *, pool_size: int, patient: bool = False) -> Engine:
    """Return an engine for DATABASE_URL; a server is not connected yet.

    A *patient* one is for migrations. Raises `DatabaseUrlError`.
    """
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise DatabaseUrlError("is no database URL") from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        return _open_file(parsed, pool_size)
    if backend in {"postgresql", "postgres"}:
        return open_postgres(parsed, pool_size=pool_size, patient=patient)
    raise DatabaseUrlError("names neither sqlite nor postgresql")


def _open_file(url: URL, pool_size: int) -> Engine:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise DatabaseUrlError("names no file; without DATABASE_URL, users are kept in memory")
    try:
        return open_sqlite(url, pool_size=pool_size)
    except OSError as error:
        raise DatabaseUrlError(f"names a file that cannot be written: {error.strerror}") from None


def describe_error(error: exc.DBAPIError) -> str:
    """Return what the driver says, without what it quotes: its first line and the code."""
    original = error.orig
    code = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    line = str(original).partition("\n")[0]
    return f"{type(original).__name__} {code or '-'}: {line}"
