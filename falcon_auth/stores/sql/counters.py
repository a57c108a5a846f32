"""Counters in the database, shared by every process on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.sweeping import may_sweep
from falcon_auth.stores.sql.tables import counters
from falcon_auth.throttle.counters import Window, is_reached

SWEEP_SLICE = 500


class SqlCounters:
    """Implements `Counters` with one row per counter, counted by one upsert.

    Windows depend on the clocks of the processes, which must not differ by a window or more.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def read(self, keys: Sequence[str]) -> list[Window]:
        """Implement `Counters.read` with one query."""
        now = self._clock()
        rows = self._database.all(_READ, {"keys": list(keys), "now": now})
        return _in_order(rows, keys, now)

    def count(self, keys: Sequence[str], seconds: int) -> list[Window]:
        """Implement `Counters.count` with one statement."""
        now = self._clock()
        rows = [
            {"key": key, "hits": 1, "started_at": now, "ends_at": now + seconds}
            for key in sorted(keys)  # All requests lock in the same order: no deadlock.
        ]
        counted = self._database.all(self._upsert(rows), {}, writes=True)
        return _in_order(counted, keys, now)

    def clear_unless_reached(self, key: str, amounts: Mapping[str, int]) -> list[Window]:
        """Implement `Counters.clear_unless_reached` with one transaction.

        It locks the rows before it reads them, in the same order as `count`: a concurrent hit is
        either seen, or counted after the clearing.
        """
        now = self._clock()
        with self._database.transaction() as connection:
            lock = _LOCK[self._database.kind]
            rows = connection.execute(lock, {"keys": list(amounts), "now": now}).all()
            windows = _in_order([row for row in rows if row.runs], list(amounts), now)
            # A counter created in the meantime is not locked, and stays.
            if key in {row.key for row in rows} and not is_reached(windows, amounts):
                connection.execute(_CLEAR, {"of_key": key})
        return windows

    def restart(self, key: str, seconds: int) -> None:
        """Implement `Counters.restart` with one statement."""
        now = self._clock()
        row = {"key": key, "hits": 1, "started_at": now, "ends_at": now + seconds}
        insert = self._insert([row])
        renewed = {name: insert.excluded[name] for name in ("hits", "started_at", "ends_at")}
        self._database.change(
            insert.on_conflict_do_update(index_elements=[counters.c.key], set_=renewed), {}
        )

    def sweep(self) -> bool:
        """Delete a slice of the expired windows; return whether there may be more."""
        with self._database.transaction() as connection:
            if not may_sweep(connection):
                return False
            values = {"now": self._clock(), "slice": SWEEP_SLICE}
            return connection.execute(_SWEEP, values).rowcount == SWEEP_SLICE

    def _insert(self, rows: list[dict[str, Any]]) -> Any:
        dialect = sqlite if self._database.kind == "sqlite" else postgresql
        return dialect.insert(counters).values(rows)

    def _upsert(self, rows: list[dict[str, Any]]) -> Any:
        insert = self._insert(rows)
        runs = _runs_at(insert.excluded.started_at)
        return insert.on_conflict_do_update(
            index_elements=[counters.c.key],
            set_={
                "hits": case(
                    (runs, counters.c.hits + insert.excluded.hits), else_=insert.excluded.hits
                ),
                "started_at": case((runs, counters.c.started_at), else_=insert.excluded.started_at),
                "ends_at": case((runs, counters.c.ends_at), else_=insert.excluded.ends_at),
            },
        ).returning(counters.c.key, counters.c.hits, counters.c.ends_at)


def _in_order(rows: Sequence[Row[Any]], keys: Sequence[str], now: float) -> list[Window]:
    """Return the windows of *rows* in the order of *keys*; no hits where there is no row."""
    running = {row.key: Window(row.hits, row.ends_at) for row in rows}
    return [running.get(key, Window(0, now)) for key in keys]


def _runs_at(now: Any) -> Any:
    """Return whether a window is running.

    A window that starts in the future, by more than its length, was counted before the clock was
    set back; by less than that, it was counted by a process whose clock is ahead.
    """
    length = counters.c.ends_at - counters.c.started_at
    return (counters.c.ends_at > now) & (counters.c.started_at <= now + length)


_READ = select(counters).where(
    counters.c.key.in_(bindparam("keys", expanding=True)), _runs_at(bindparam("now"))
)
_STANDING = select(counters, _runs_at(bindparam("now")).label("runs")).where(
    counters.c.key.in_(bindparam("keys", expanding=True))
)
_LOCK = {
    "sqlite": _STANDING,  # SQLite has one writer at a time.
    # The collation "C" sorts as Python does, whatever the database's own does.
    "postgresql": _STANDING.order_by(counters.c.key.collate("C")).with_for_update(),
}
_CLEAR = delete(counters).where(counters.c.key == bindparam("of_key"))
_SWEEP = delete(counters).where(
    counters.c.key.in_(
        select(counters.c.key)
        .where(counters.c.ends_at < bindparam("now"))
        .order_by(counters.c.ends_at)
        .limit(bindparam("slice"))
        .with_for_update(skip_locked=True)
    )
)
