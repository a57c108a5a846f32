"""Counters of attempts in this process, as a storage of the `limits` library."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

from falcon_auth.throttle import Counters, Window

MAX_COUNTERS = 100_000  # About 25 MiB; beyond, those that end soonest are dropped.


class _Counter(NamedTuple):
    hits: int
    started_at: float
    ends_at: float


class _Shelf:
    """The counters of one kind, and a heap of their ends, whose entries may be out of date."""

    def __init__(self) -> None:
        self.counters: dict[str, _Counter] = {}
        self.ends: list[tuple[float, str]] = []

    def live(self, key: str, now: float) -> _Counter | None:
        counter = self.counters.get(key)
        # A window that has not started yet was counted before the clock was put back.
        if counter is None or not counter.started_at <= now < counter.ends_at:
            return None
        return counter

    def make_room(self, now: float, bound: int) -> None:
        """Drop counters that are over, and beyond the bound those that end soonest."""
        while self.ends and (self.ends[0][0] <= now or len(self.counters) >= bound):
            ends_at, key = heapq.heappop(self.ends)
            counter = self.counters.get(key)
            if counter is not None and counter.ends_at == ends_at:
                del self.counters[key]


class MemoryCounters(Counters):
    """Dicts behind a lock. Unlike the library's own they are bounded and are given their clock.

    The bound holds for each kind of counter (the namespace, a key's first part) by itself: a
    flood of registrations, which cost nothing yet when they are counted, must not push out what
    is known of failed log-ins, each of which cost a hash.

    Expiries are epoch seconds. Every method is one atomic step; none of them fails.
    """

    def __init__(self, *, clock: Callable[[], float], max_counters: int = MAX_COUNTERS) -> None:
        super().__init__()
        self._clock = clock
        self._max_counters = max_counters
        self._shelves: dict[str, _Shelf] = {}
        self._lock = Lock()

    def read(self, keys: Sequence[str]) -> list[Window]:
        """See `Counters`."""
        with self._lock:
            now = self._clock()
            counters = [self._shelf(key).live(key, now) for key in keys]
            return [
                Window(each.hits, each.ends_at) if each else Window(0, now) for each in counters
            ]

    def count(self, keys: Sequence[str], seconds: int, *, amount: int = 1) -> list[Window]:
        """See `Counters`."""
        with self._lock:
            now = self._clock()
            return [self._count(key, now, seconds, amount) for key in keys]

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int | None:
        """Forget every counter; return how many there were."""
        with self._lock:
            count = sum(len(shelf.counters) for shelf in self._shelves.values())
            self._shelves.clear()
            return count

    def clear(self, key: str) -> None:
        """Forget one counter."""
        with self._lock:
            self._shelf(key).counters.pop(key, None)

    def _shelf(self, key: str) -> _Shelf:
        return self._shelves.setdefault(key.partition("/")[0], _Shelf())

    def _count(self, key: str, now: float, seconds: int, amount: int) -> Window:
        shelf = self._shelf(key)
        counter = shelf.live(key, now)
        if counter is None:
            shelf.make_room(now, self._max_counters)
            counter = _Counter(0, now, now + seconds)
            heapq.heappush(shelf.ends, (counter.ends_at, key))
        counter = counter._replace(hits=counter.hits + amount)
        shelf.counters[key] = counter
        return Window(counter.hits, counter.ends_at)
