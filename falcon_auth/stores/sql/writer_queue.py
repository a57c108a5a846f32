"""SQLite's single writer: first come, first served, with one commit for all that wait.

SQLite lets one connection write at a time, and makes the others poll for the lock, for seconds if
they are unlucky. Here threads queue before they take a connection, so that connections are left for
readers, and share a single connection for writing. A thread leaves the commit to the next in line,
if there is one, so that many transactions, each in a savepoint of its own, wait for the disk only
once. No thread returns before the commit that includes its changes.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Event, Lock
from typing import Any, cast

import structlog
from sqlalchemy import Connection, Engine, exc

from falcon_auth.errors import StoreUnavailableError

WAIT_SECONDS = 2.0  # For the turn and, where another process writes, for the file's lock.
# SQLite's own busy handler sleeps for up to 100 ms at a time: beside another process that writes
# continuously, it would hardly ever try at the right moment.
POLL_SECONDS = 0.002
MOST_IN_GROUP = 64  # Transactions per commit, since the first of them waits for the last,
GROUP_SECONDS = 0.02  # and how long a group stays open.

log = structlog.get_logger("falcon_auth.database")


class FairLock:
    """A lock that is granted in the order of requests. Not reentrant."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._line: deque[Condition] = deque()  # Its head holds the lock.

    @property
    def waiting(self) -> int:
        """How many threads are waiting for the lock."""
        return max(0, len(self._line) - 1)

    def acquire(self, seconds: float | None = None) -> bool:
        """Wait, for at most *seconds* if given; return whether the lock was acquired."""
        with self._lock:
            mine = Condition(self._lock)
            self._line.append(mine)
            if mine.wait_for(lambda: self._line[0] is mine, seconds):
                return True
            self._line.remove(mine)
            return False

    def pass_on(self) -> bool:
        """Pass the lock to the next thread in line; return False, and keep it, if there is none."""
        with self._lock:
            if len(self._line) == 1:
                return False
            self._line.popleft()
            self._line[0].notify()
            return True

    def release(self) -> None:
        """Release the lock to the next thread in line, if any."""
        with self._lock:
            self._line.popleft()
            if self._line:
                self._line[0].notify()


class _Group:
    """Transactions that share one commit: all of them are kept, or all are lost."""

    def __init__(self, seconds: float) -> None:
        self._full_at = time.monotonic() + seconds
        self.size = 0
        self.over = Event()
        self.kept = False

    @property
    def is_full(self) -> bool:
        """Whether it accepts no further transaction."""
        return self.size >= MOST_IN_GROUP or time.monotonic() >= self._full_at


class WriterQueue:
    """Gives the transactions on a SQLite file their turns. Safe to call from any thread.

    A transaction that comes more than *group_seconds* after the first of a group is not added to
    it.
    """

    def __init__(self, engine: Engine, *, group_seconds: float = GROUP_SECONDS) -> None:
        self._engine = engine
        self._group_seconds = group_seconds
        self._turn = FairLock()
        # Only the thread whose turn it is uses these two.
        self._connection: Connection | None = None
        self._group: _Group | None = None

    @property
    def waiting(self) -> int:
        """How many threads are waiting for their turn."""
        return self._turn.waiting

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run statements as one transaction, which is on disk when the block is left.

        It is rolled back if the block raises. Raises `StoreUnavailableError`, with nothing changed,
        if the turn did not come within 2 s or the shared commit failed. SQLAlchemy's errors
        propagate, from statements and from the commit.
        """
        with self.single() as connection, _savepoint(connection):
            yield connection

    @contextmanager
    def single(self) -> Iterator[Connection]:
        """Run independent statements; otherwise like `transaction`.

        SQLite itself undoes a statement that fails, so no savepoint is needed. That makes the turn
        shorter: each statement releases the interpreter lock, and the whole queue waits until this
        thread gets it back.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        if not self._turn.acquire(WAIT_SECONDS):
            log.error("writer_queue_timed_out", waiting=self.waiting)
            raise StoreUnavailableError
        try:
            connection, group = self._join_group(deadline)
        except BaseException:
            self._drop_connection()
            self._turn.release()
            raise
        statement_failed = False
        try:
            yield connection
        except exc.DBAPIError:
            statement_failed = True
            raise
        finally:
            self._end_turn(connection, group)
            group.over.wait()
            # A refusal waits for the commit as well, because the state that it is based on may be
            # lost with the group.
            if not group.kept and not statement_failed:
                raise StoreUnavailableError

    def close(self) -> None:
        """Close the connection; the next transaction opens one again."""
        self._turn.acquire()
        self._drop_connection()
        self._turn.release()

    def _join_group(self, deadline: float) -> tuple[Connection, _Group]:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.detach()  # The pool's connections are for readers.
            _driver(self._connection).execute("PRAGMA busy_timeout = 0")
        if self._group is None:
            _begin(self._connection, deadline)
            self._group = _Group(self._group_seconds)
        self._group.size += 1
        return self._connection, self._group

    def _end_turn(self, connection: Connection, group: _Group) -> None:
        """Pass on the turn, with the duty to commit; commit if nobody is waiting."""
        intact = _in_transaction(connection)  # A full disk makes SQLite roll back everything.
        if intact and not group.is_full and self._turn.pass_on():
            return
        try:
            if intact:
                connection.commit()
                group.kept = True
        finally:
            if not group.kept:
                self._drop_connection()
            self._group = None
            self._turn.release()
            group.over.set()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()  # Uncommitted changes are rolled back.
            self._connection = None


def _begin(connection: Connection, deadline: float) -> None:
    """Take the file's lock, which another process may hold until the deadline."""
    while True:
        try:
            connection.begin()
        except exc.OperationalError as error:
            if not _is_busy(error.orig) or time.monotonic() >= deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("SAVEPOINT turn")
    try:
        yield
    except BaseException:
        if _in_transaction(connection):
            connection.exec_driver_sql("ROLLBACK TO turn")
        raise
    connection.exec_driver_sql("RELEASE turn")


def _in_transaction(connection: Connection) -> bool:
    return _driver(connection).in_transaction


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: Any = connection.connection.dbapi_connection
    return cast("sqlite3.Connection", driver)


def _is_busy(error: Any) -> bool:
    """Return whether another connection holds the lock; the low byte is the primary code."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY
