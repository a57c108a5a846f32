"""PostgreSQL transactions whose outcome is known even if the response to COMMIT is lost.

A client that loses its connection, or times out, during a COMMIT does not know whether the server
executed it. The server does: `pg_xact_status` reports whether a recent transaction was committed
(PostgreSQL's documentation, 9.27.9). So each transaction records its number when it begins, in the
same round trip as BEGIN.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, Engine, exc, text

TERMINATE_MS = 1000  # For the server to end a transaction whose COMMIT never arrived.

Outcome = Literal["committed", "aborted", "unknown"]

log = structlog.get_logger("falcon_auth.database")


class CommitUnknownError(Exception):
    """The response to COMMIT was lost, and the server could not be asked for the outcome."""


@dataclass(frozen=True, slots=True)
class TransactionNumber:
    """A transaction's number, valid for one run of one server.

    After a crash, or on another server, the same number may belong to another transaction.
    """

    server_started: datetime
    number: str  # An xid8, which does not wrap around.


@contextmanager
def begin_numbered(engine: Engine) -> Iterator[Connection]:
    """Run the block in a transaction; *engine* must be in autocommit mode.

    Ends normally only if the transaction was committed. Raises SQLAlchemy's errors if it was not,
    and `CommitUnknownError` if the outcome cannot be determined: asking takes up to 4 s (2 s to
    connect, 2 s for the statement) if the server does not answer.
    """
    committing = False
    try:
        with engine.connect() as connection, connection.begin():
            number = _begin(connection)
            yield connection
            committing = True
    except exc.DBAPIError as error:
        if not committing or not error.connection_invalidated:
            raise  # COMMIT was not sent, or the server has refused it.
        outcome = find_outcome(engine, number)
        log.warning("commit_unanswered", outcome=outcome)
        if outcome == "aborted":
            raise
        if outcome == "unknown":
            raise CommitUnknownError from None


def find_outcome(engine: Engine, number: TransactionNumber) -> Outcome:
    """Ask the server for a transaction's outcome, on another connection.

    A transaction that is still open is terminated, unless it is just being committed: nobody else
    would end it, and it holds locks.
    """
    values = {"started": number.server_started, "number": number.number}
    try:
        with engine.connect() as connection:
            status = connection.scalar(_STATUS, values)
            if status == "in progress":
                connection.execute(_TERMINATE, values)
                status = connection.scalar(_STATUS, values)
    except exc.SQLAlchemyError:
        return "unknown"
    return status if status in {"committed", "aborted"} else "unknown"


def _begin(connection: Connection) -> TransactionNumber:
    # Three statements in one message, as PostgreSQL's simple protocol allows. The first returns a
    # row, because SQLAlchemy closes the cursor of a result without rows.
    with connection.exec_driver_sql(_BEGIN) as result:
        cursor: Any = result.cursor
        (started,) = cursor.fetchone()
        cursor.nextset()
        cursor.nextset()
        (number,) = cursor.fetchone()
    return TransactionNumber(started, number)


_BEGIN = "SELECT pg_postmaster_start_time(); BEGIN; SELECT pg_current_xact_id()"
_STATUS = text(
    "SELECT CASE WHEN pg_postmaster_start_time() = :started"
    " THEN pg_xact_status(CAST(:number AS xid8)) END"
)
_TERMINATE = text(
    f"SELECT pg_terminate_backend(pid, {TERMINATE_MS}) FROM pg_stat_activity"  # noqa: S608 - a number from above
    " WHERE backend_xid = CAST(CAST(:number AS xid8) AS xid)"
)
