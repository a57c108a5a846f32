"""PostgreSQL transactions whose outcome is known even if the answer to COMMIT is lost.

A client that loses its connection, or times out, in the middle of a COMMIT does not know
whether the server did it. The server does: `pg_xact_status` reports for each recent transaction
whether it was committed (PostgreSQL's documentation, 9.27.9). So each transaction notes its
number when it begins, in the round trip that BEGIN takes anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, Engine, exc, text

TERMINATE_MS = 1000  # What a server gets to give up a transaction whose COMMIT never arrived.

Outcome = Literal["committed", "aborted", "unknown"]

log = structlog.get_logger("falcon_auth.database")


class CommitUnknownError(Exception):
    """The answer to COMMIT was lost, and the server could not be asked whether it happened."""


@dataclass(frozen=True, slots=True)
class TransactionNumber:
    """A transaction's number, valid for one run of one server.

    After a crash, and on another server, the same number may be another transaction's.
    """

    server_started: datetime
    number: str  # An xid8, which does not wrap around.


@contextmanager
def begin_numbered(engine: Engine) -> Iterator[Connection]:
    """Run the block in a transaction; *engine* is one in autocommit mode.

    Ends normally only where the transaction is committed. Raises SQLAlchemy's errors where it is
    not, and `CommitUnknownError` where that cannot be found out: asking takes up to 4 s (a
    connection 2 s, a statement 2 s) where the server does not answer.
    """
    committing = False
    try:
        with engine.connect() as connection, connection.begin():
            number = _begin(connection)
            yield connection
            committing = True
    except exc.DBAPIError as error:
        if not committing or not error.connection_invalidated:
            raise  # Without a COMMIT nothing is committed; a server that refuses one says so.
        outcome = find_outcome(engine, number)
        log.warning("commit_unanswered", outcome=outcome)
        if outcome == "aborted":
            raise
        if outcome == "unknown":
            raise CommitUnknownError from None


def find_outcome(engine: Engine, number: TransactionNumber) -> Outcome:
    """Ask the server for a transaction's outcome, on another connection.

    One that is still open is ended, unless it is being committed just then: nobody will, and it
    holds locks.
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
    # Three statements in one message, as PostgreSQL's simple protocol allows. The first one has a
    # row, because SQLAlchemy closes the cursor of a result without any.
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
