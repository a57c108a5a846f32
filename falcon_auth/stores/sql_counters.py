"""Counters of attempts in the database, shared by every process on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.stores.database import Database
from falcon_auth.stores.schema import counters
from falcon_auth.stores.sql import may_sweep
from falcon_auth.throttle import Counters, Window

SWEEP_SLICE = 500


class SqlCounters(Counters):
    """One row a counter, counted by one upsert.

    Windows are told by the clocks of the processes: they may differ by less than a window.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        super().__init__()
        self._database = database
        self._clock = clock

    def read(self, keys: Sequence[str]) -> list[Window]:
        """See `Counters`. One query."""
        now = self._clock()
        rows = self._database.all(_READ, {"keys": list(keys), "now": now})
        running = {row.key: Window(row.hits, row.ends_at) for row in rows}
        return [running.get(key, Window(0, now)) for key in keys]

    def count(self, keys: Sequence[str], seconds: int, *, amount: int = 1) -> list[Window]:
        """See `Counters`. One statement."""
        now = self._clock()
        rows = [
            {"key": key, "hits": amount, "started_at": now, "ends_at": now + seconds}
            for key in sorted(keys)  # Two requests lock them in one order: no deadlock.
        ]
        counted = self._database.all(self._upsert(rows), {})
        windows = {row.key: Window(row.hits, row.ends_at) for row in counted}
        return [windows[key] for key in keys]

    def check(self) -> bool:
        """Return True. Raises `StoreUnavailableError`."""
        self._database.check()
        return True

    def reset(self) -> int | None:
        """Forget every counter; return how many there were."""
        return self._database.change(delete(counters), {})

    def clear(self, key: str) -> None:
        """Forget one counter."""
        self._database.change(_CLEAR, {"of_key": key})

    def sweep(self) -> bool:
        """Forget some of the windows that are over; return whether there may be more."""
        with self._database.transaction() as connection:
            if not may_sweep(connection):
                return False
            values = {"now": self._clock(), "slice": SWEEP_SLICE}
            return connection.execute(_SWEEP, values).rowcount == SWEEP_SLICE

    def _upsert(self, rows: list[dict[str, Any]]) -> Any:
        dialect = sqlite if self._database.kind == "sqlite" else postgresql
        insert: Any = dialect.insert(counters).values(rows)
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


def _runs_at(now: Any) -> Any:
    """Tell whether a window runs.

    One that starts more than a window from now was counted before the clock was put back; less
    than that, by a process whose clock is ahead.
    """
    length = counters.c.ends_at - counters.c.started_at
    return (counters.c.ends_at > now) & (counters.c.started_at <= now + length)


_READ = select(counters).where(
    counters.c.key.in_(bindparam("keys", expanding=True)), _runs_at(bindparam("now"))
)
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
