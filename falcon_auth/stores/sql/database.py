"""A database: its engine, its breaker, and the one place that translates its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Executable, Row, exc, text
from sqlalchemy.engine import URL, make_url

from falcon_auth.breaker import (
    Breaker,
    NotReachedError,
    OutageError,
    UnavailableError,
)
from falcon_auth.errors import StoreUnavailableError
from falcon_auth.stores.recovery import RecoveryProbe
from falcon_auth.stores.sql.commits import CommitUnknownError, begin_numbered
from falcon_auth.stores.sql.fitness import find_fault, is_read_only
from falcon_auth.stores.sql.sqlite import open_sqlite
from falcon_auth.stores.sql.writer_queue import WriterQueue

log = structlog.get_logger("falcon_auth.database")

# These mean that a statement is wrong, not that the database is unavailable.
_OWN_FAULTS = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)


class StatementRefusedError(Exception):
    """The database has refused a statement, which is a fault of this service, not of a client.

    The message names the error's kind and code, and the constraint that PostgreSQL reports; it
    never contains a value. The exception has neither cause nor context, because a driver's error
    quotes the row.
    """


class OutcomeUnknownError(OutageError):
    """The connection was lost during a COMMIT, and the outcome could not be determined."""


class DatabaseUrlError(ValueError):
    """DATABASE_URL does not name a usable database. The message quotes no part of the URL."""


class Database:
    """Runs statements. Safe to call from any thread.

    Every method raises `StoreUnavailableError` if the database does not answer in time, and
    `StatementRefusedError` if it refuses a statement. No exception of SQLAlchemy or the drivers
    leaves this class.
    """

    def __init__(self, engine: Engine, breaker: Breaker) -> None:
        self.engine = engine
        self.breaker = breaker
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._recovery = RecoveryProbe(breaker, self._answers)
        self._writers = WriterQueue(engine) if self.kind == "sqlite" else None

    @property
    def kind(self) -> str:
        """Return `sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run statements as one transaction, which is rolled back if the block raises.

        If the response to COMMIT is lost, the database is asked for the outcome: the block ends
        normally if the transaction was committed, and `StoreUnavailableError` means that it was
        not. Only with the detail `outcome_unknown` could the outcome not be determined.
        """
        begun = self._writers.transaction() if self._writers else begin_numbered(self._autocommit)
        with self._attempt(), begun as connection:
            yield connection

    @contextmanager
    def single(self, *, writes: bool = False) -> Iterator[Connection]:
        """Run independent statements, one round trip each, without BEGIN and COMMIT.

        On SQLite, a statement that *writes* waits for its turn. If a response is lost, this raises
        `StoreUnavailableError` although the statement may have been executed, so it must be safe to
        repeat.
        """
        begin = self._writers.single if self._writers and writes else self._autocommit.connect
        with self._attempt(), begin() as connection:
            yield connection

    def one(self, statement: Executable, parameters: dict[str, Any]) -> Row[Any] | None:
        """Run one statement; return its first row."""
        with self.single() as connection:
            return connection.execute(statement, parameters).first()

    def all(
        self, statement: Executable, parameters: Any, *, writes: bool = False
    ) -> list[Row[Any]]:
        """Run one statement; return its rows. On SQLite, one that *writes* waits for its turn."""
        with self.single(writes=writes) as connection:
            return list(connection.execute(statement, parameters))

    def change(self, statement: Executable, parameters: dict[str, Any]) -> int:
        """Run one statement; return how many rows it changed."""
        with self.single(writes=True) as connection:
            return connection.execute(statement, parameters).rowcount

    def check(self) -> None:
        """Make a round trip."""
        with self.single() as connection:
            connection.execute(text("SELECT 1"))

    def describe(self) -> dict[str, Any]:
        """Return, for readiness, the kind, whether it is writable, and its limits."""
        reason = None
        try:
            with self.single(writes=True) as connection:
                reason = find_fault(connection)
            status = "unavailable" if reason else "ok"
        except StoreUnavailableError:
            status = "unavailable"
        described = {"status": status, "kind": self.kind, "breaker": self.breaker.state}
        if reason is not None:
            described["reason"] = reason
        if self.kind == "sqlite":
            described["limits"] = "processes of one machine"
        return described

    def close(self) -> None:
        """Close idle connections; the next statement opens one again."""
        self._recovery.close()
        if self._writers:
            self._writers.close()
        self.engine.dispose()

    def _answers(self) -> bool:
        """Return whether the server answers, whatever the breaker says."""
        try:
            with self._autocommit.connect() as connection:
                connection.execute(text("SELECT 1"))
        except exc.SQLAlchemyError:
            return False
        return True

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        """Count the outcome in the breaker, and translate a driver's error."""
        try:
            try:
                with self.breaker.attempt(), self._translated_errors():
                    yield
            except UnavailableError as error:
                self._recovery.watch()
                unknown = isinstance(error, OutcomeUnknownError)
                detail = StoreUnavailableError.outcome_unknown if unknown else None
                raise StoreUnavailableError(detail, retry_after=error.retry_after) from None
        except (StoreUnavailableError, StatementRefusedError) as ours:
            # `from None` would only hide the driver's error, which quotes rows, from Python's own
            # tracebacks.
            ours.__context__ = None
            raise

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except CommitUnknownError:
            raise OutcomeUnknownError("the response to COMMIT was lost") from None
        except _OWN_FAULTS as error:
            raise StatementRefusedError(describe_error(error)) from None
        except exc.TimeoutError:
            log.error("pool_exhausted")  # noqa: TRY400 - the word is enough
            raise NotReachedError from None
        except exc.DBAPIError as error:
            if self._is_outage(error):
                raise OutageError(describe_error(error)) from None
            log.error("statement_failed", reason=describe_error(error))  # noqa: TRY400 - the traceback may quote rows
            raise StoreUnavailableError from None
        except exc.SQLAlchemyError as error:
            raise StatementRefusedError(type(error).__name__) from None

    def _is_outage(self, error: exc.DBAPIError) -> bool:
        """Return whether the server is unavailable; a lock, a full disk or a slow statement is not.

        An error without a code comes from the client library; one without a statement comes from
        connecting.
        """
        connecting = error.statement is None and _code_of(error) is None
        away = error.connection_invalidated or connecting
        return away and not is_read_only(error) and self.kind != "sqlite"


def open_engine(url: str, *, pool_size: int, patient: bool = False) -> Engine:
    """Return an engine for DATABASE_URL without connecting to a server.

    A *patient* engine is for migrations. Raises `DatabaseUrlError`.
    """
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise DatabaseUrlError("is not a database URL") from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        return _open_file(parsed, pool_size)
    if backend in {"postgresql", "postgres"}:
        # Imported here: SQLite does without the driver.
        from falcon_auth.stores.sql.postgres import open_postgres  # noqa: PLC0415

        return open_postgres(parsed, pool_size=pool_size, patient=patient)
    raise DatabaseUrlError("must begin with sqlite or postgresql")


def _open_file(url: URL, pool_size: int) -> Engine:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise DatabaseUrlError("names no file; without DATABASE_URL, users are kept in memory")
    try:
        return open_sqlite(url, pool_size=pool_size)
    except OSError as error:
        raise DatabaseUrlError(f"names a file that cannot be written: {error.strerror}") from None


def describe_error(error: exc.DBAPIError) -> str:
    """Return the kind of a driver's error, its code, and the violated constraint; never a value.

    Messages about a statement are omitted, because they may quote a row: a server's message does if
    a trigger or a cast fails. Of a message of the client library itself, about a connection or a
    file, the first line is kept.
    """
    original: Any = error.orig
    described = f"{type(original).__name__} {_code_of(error) or '-'}"
    answered = getattr(original, "sqlstate", None) is not None
    # Only psycopg's errors have the attribute; naming their class would load psycopg for SQLite
    # too.
    of_connection = isinstance(error, exc.OperationalError) and hasattr(original, "sqlstate")
    of_statement = error.statement is not None and not of_connection
    if not answered and not of_statement:
        return f"{described}: {str(original).partition(chr(10))[0]}"
    violated = getattr(getattr(original, "diag", None), "constraint_name", None)
    return f"{described}: {violated}" if violated else described


def _code_of(error: exc.DBAPIError) -> str | None:
    original = error.orig
    return getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
