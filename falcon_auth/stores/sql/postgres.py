"""PostgreSQL by psycopg 3: every wait on a connection has a deadline."""

from __future__ import annotations

import select
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from sqlalchemy import Engine, create_engine, event, exc
from sqlalchemy.engine import URL, ExceptionContext

from falcon_auth.stores.sql.fitness import READ_ONLY_STATE

CONNECT_SECONDS = 1.0  # psycopg's own connect_timeout is at least 2 s.
STATEMENT_SECONDS = 2.0  # For a server that hangs. A live server gives up earlier by itself:
SERVER_STATEMENT_SECONDS = 1.9
MIGRATION_LOCK_SECONDS = 0.2  # Every request that needs the table waits behind it.
POOL_SECONDS = 1.0  # For one of the pool's connections.
IDLE_TRANSACTION_SECONDS = 10  # After that, the row locks of a frozen machine are released.

Result = TypeVar("Result")
Wanted = Any  # What psycopg's generators yield and receive: for what a socket must be ready.


class BoundedConnection(psycopg.Connection[Any]):
    """A connection with a deadline for each statement, even if the server never answers."""

    statement_seconds: float | None = STATEMENT_SECONDS

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Generator[Wanted, Wanted, BoundedConnection]:
        return _until(super()._connect_gen(conninfo), time.monotonic() + CONNECT_SECONDS)

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server's answer. Raises `psycopg.OperationalError` after the deadline."""
        try:
            return super().wait(gen, interval, timeout or self.statement_seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                # The response may still arrive, and must not be taken for another statement's.
                self.pgconn.finish()
            raise


class PatientConnection(BoundedConnection):
    """For migrations, whose statements may take long on large tables."""

    statement_seconds = None


def open_postgres(url: URL, *, pool_size: int, patient: bool = False) -> Engine:
    """Return an engine for *url* without connecting.

    Of several hosts it uses the one that accepts writes, unless the URL says otherwise (libpq's
    `target_session_attrs`). If a server turns out to be read-only because another one has become
    the primary, all connections are discarded, and new ones find the primary. A *patient* engine,
    for migrations, has no limit for statements, but waits for locks 0.2 s only.
    """
    seconds = (0, MIGRATION_LOCK_SECONDS) if patient else (SERVER_STATEMENT_SECONDS,) * 2
    statement, lock = (int(each * 1000) for each in seconds)
    options = (
        f"-c statement_timeout={statement} -c lock_timeout={lock} "
        f"-c idle_in_transaction_session_timeout={IDLE_TRANSACTION_SECONDS * 1000} "
        "-c default_transaction_isolation=read\\ committed"
    )
    own_options = url.query.get("options", "")
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "options": f"{own_options} {options}",  # Later options take precedence.
            "application_name": url.query.get("application_name", "falcon-auth"),
        },
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        hide_parameters=True,
    )
    kind = PatientConnection if patient else BoundedConnection

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, cargs: Any, cparams: Any) -> BoundedConnection:
        if "," in str(cparams.get("host", "")):
            cparams.setdefault("target_session_attrs", "read-write")
        return kind.connect(*cargs, **cparams)

    event.listen(engine, "checkout", _refuse_dead)
    event.listen(engine, "handle_error", _leave_read_only_server)
    return engine


def _refuse_dead(connection: Any, _record: Any, _proxy: Any) -> None:
    """Make the pool replace a connection that the server has closed.

    An idle connection that is readable has been closed. Unlike the pool's own ping, this check
    costs no round trip.
    """
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    if poll.poll(0):
        raise exc.InvalidatePoolError


def _leave_read_only_server(context: ExceptionContext) -> None:
    """Make the pool replace all connections, because their server is no longer the primary.

    Reading from it would return outdated data, such as sessions that have ended since.
    """
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY_STATE:
        context.is_disconnect = True


def _until(
    steps: Generator[Wanted, Wanted, Result], deadline: float
) -> Generator[Wanted, Wanted, Result]:
    """Run psycopg's *steps*, which are resumed ten times a second, until the deadline."""
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            # A result that is ready is accepted even if late: this machine may have been busy, not
            # the server.
            if not ready and time.monotonic() >= deadline:
                raise psycopg.errors.ConnectionTimeout("the server did not answer in time")
            wanted = steps.send(ready)
    except StopIteration as done:
        result: Result = done.value
        return result
    finally:
        steps.close()
