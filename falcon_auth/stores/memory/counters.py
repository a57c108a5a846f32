"""Counters in this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

from falcon_auth.throttle.counters import Window, is_reached

MAX_COUNTERS = 100_000  # About 25 MiB; beyond that, the oldest are dropped.


class _Counter(NamedTuple):
    hits: int
    started_at: float
    ends_at: float

    def runs_at(self, now: float) -> bool:
        # A window that starts in the future was counted before the clock was set back.
        return self.started_at <= now < self.ends_at


class _Namespace:
    """The counters of one namespace in the order in which they began.

    Their windows have the same length, so they also end in that order.
    """

    def __init__(self) -> None:
        self.counters: OrderedDict[str, _Counter] = OrderedDict()

    def running(self, key: str, now: float) -> _Counter | None:
        counter = self.counters.get(key)
        return counter if counter is not None and counter.runs_at(now) else None

    def start(self, key: str, now: float, seconds: int, bound: int) -> _Counter:
        """Start a window without hits; drop expired ones, and beyond *bound* the oldest."""
        self.counters.pop(key, None)
        while self.counters:
            first = next(iter(self.counters.values()))
            if first.runs_at(now) and len(self.counters) < bound:
                break
            self.counters.popitem(last=False)
        counter = self.counters[key] = _Counter(0, now, now + seconds)
        return counter


class MemoryCounters:
    """Implements `Counters` with dicts behind one lock. No method fails.

    *max_counters* applies to each namespace separately: a flood of registrations, which are counted
    before they cost any work, must not displace the counters of failed log-ins, each of which has
    cost a hash.
    """

    def __init__(self, *, clock: Callable[[], float], max_counters: int = MAX_COUNTERS) -> None:
        self._clock = clock
        self._max_counters = max_counters
        self._namespaces: dict[str, _Namespace] = {}
        self._lock = Lock()

    def read(self, keys: Sequence[str]) -> list[Window]:
        """Implement `Counters.read`."""
        with self._lock:
            return self._windows(keys, self._clock())

    def count(self, keys: Sequence[str], seconds: int) -> list[Window]:
        """Implement `Counters.count`."""
        with self._lock:
            now = self._clock()
            return [self._count(key, now, seconds) for key in keys]

    def clear_unless_reached(self, key: str, amounts: Mapping[str, int]) -> list[Window]:
        """Implement `Counters.clear_unless_reached`."""
        with self._lock:  # Held across the check and the clearing, so that no hit is lost.
            windows = self._windows(list(amounts), self._clock())
            if not is_reached(windows, amounts):
                self._namespace(key).counters.pop(key, None)
            return windows

    def restart(self, key: str, seconds: int) -> None:
        """Implement `Counters.restart`."""
        with self._lock:
            self._namespace(key).counters.pop(key, None)
            self._count(key, self._clock(), seconds)

    @property
    def size(self) -> int:
        """The number of counters in memory, including expired ones."""
        with self._lock:
            return sum(len(each.counters) for each in self._namespaces.values())

    def _namespace(self, key: str) -> _Namespace:
        return self._namespaces.setdefault(key.partition("/")[0], _Namespace())

    def _windows(self, keys: Sequence[str], now: float) -> list[Window]:
        running = [self._namespace(key).running(key, now) for key in keys]
        return [Window(each.hits, each.ends_at) if each else Window(0, now) for each in running]

    def _count(self, key: str, now: float, seconds: int) -> Window:
        namespace = self._namespace(key)
        counter = namespace.running(key, now)
        if counter is None:
            counter = namespace.start(key, now, seconds, self._max_counters)
        counter = namespace.counters[key] = counter._replace(hits=counter.hits + 1)
        return Window(counter.hits, counter.ends_at)
