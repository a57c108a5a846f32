"""Counters in Redis, with a fallback to this process's memory while Redis is unavailable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from falcon_auth.breaker import Breaker, OutageError, UnavailableError
from falcon_auth.stores.memory.counters import MemoryCounters
from falcon_auth.stores.recovery import RecoveryProbe
from falcon_auth.throttle.counters import Window

REDIS_SECONDS = 0.25  # For connecting, and for a response.
# After a time-out, the thread does not ask again for this long, so that a request, which counts
# before and after its hash, waits only once.
PAUSE_SECONDS = 10.0
PREFIX = "falcon-auth"
MS = 1000.0

Answer = TypeVar("Answer")


# Reads the counters KEYS, and deletes the one whose index is the last of ARGV unless a counter has
# reached its amount, which ARGV has at the same index. Redis runs scripts atomically.
CLEAR_UNLESS_REACHED = """
local standing, reached = {}, false
for place, key in ipairs(KEYS) do
    local hits = tonumber(redis.call('GET', key) or 0)
    standing[place] = {hits, redis.call('PTTL', key)}
    reached = reached or hits >= tonumber(ARGV[place])
end
if not reached then redis.call('DEL', KEYS[tonumber(ARGV[#ARGV])]) end
return standing
"""


class RedisCounters:
    """Implements `Counters` in Redis, using the clock of Redis; every method is one round trip.

    Raises `OutageError`, after at most 0.25 s, if Redis does not answer.
    """

    def __init__(self, url: str, *, clock: Callable[[], float], prefix: str = PREFIX) -> None:
        """Prepare the client without connecting. Raises `ValueError` for a bad URL."""
        self._clock = clock
        self._prefix = prefix
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=REDIS_SECONDS,
            socket_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def read(self, keys: Sequence[str]) -> list[Window]:
        """Implement `Counters.read`."""
        answers = self._execute([("GET", key) for key in keys] + [("PTTL", key) for key in keys])
        return self._windows(answers[: len(keys)], answers[len(keys) :])

    def count(self, keys: Sequence[str], seconds: int) -> list[Window]:
        """Implement `Counters.count`."""
        starts = [("SET", key, 0, "EX", seconds, "NX") for key in keys]
        hits = [("INCR", key) for key in keys]
        answers = self._execute([*starts, *hits, *[("PTTL", key) for key in keys]])
        return self._windows(answers[len(keys) : 2 * len(keys)], answers[2 * len(keys) :])

    def clear_unless_reached(self, key: str, amounts: Mapping[str, int]) -> list[Window]:
        """Implement `Counters.clear_unless_reached` with one script."""
        keys = list(amounts)
        values = [*amounts.values(), keys.index(key) + 1]
        names = [self._name(each) for each in keys]
        with _outages():
            script = self._client.eval(CLEAR_UNLESS_REACHED, len(names), *names, *values)
        standing: Any = script
        return self._windows([hits for hits, _ in standing], [left for _, left in standing])

    def restart(self, key: str, seconds: int) -> None:
        """Implement `Counters.restart`."""
        self._execute([("SET", key, 1, "EX", seconds)])

    def ping(self) -> None:
        """Make a round trip."""
        with _outages():
            self._client.ping()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _name(self, key: str) -> str:
        return f"{self._prefix}:{key}"

    def _execute(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands, whose second element is a key, as one transaction."""
        with _outages(), self._client.pipeline(transaction=True) as pipeline:
            for name, key, *more in commands:
                pipeline.execute_command(name, self._name(key), *more)  # type: ignore[no-untyped-call] # redis-py's gap
            return pipeline.execute()

    def _windows(self, hits: Sequence[Any], left_ms: Sequence[Any]) -> list[Window]:
        now = self._clock()
        return [
            Window(int(count or 0), now + max(0, left) / MS)
            for count, left in zip(hits, left_ms, strict=True)
        ]


class FallbackCounters:
    """Implements `Counters` in Redis, and in this process while Redis is unavailable.

    Hits counted in Redis are counted here as well, so that in an outage this process continues from
    the hits that it has seen.
    """

    def __init__(self, shared: RedisCounters, breaker: Breaker, own: MemoryCounters) -> None:
        self._shared = shared
        self._own = own
        self._breaker = breaker
        self._recovery = RecoveryProbe(breaker, self._answers)
        self._paused = threading.local()

    def read(self, keys: Sequence[str]) -> list[Window]:
        """Implement `Counters.read`."""
        return self._ask_redis(lambda: self._shared.read(keys), lambda: self._own.read(keys))

    def count(self, keys: Sequence[str], seconds: int) -> list[Window]:
        """Implement `Counters.count`."""
        here = self._own.count(keys, seconds)
        return self._ask_redis(lambda: self._shared.count(keys, seconds), lambda: here)

    def clear_unless_reached(self, key: str, amounts: Mapping[str, int]) -> list[Window]:
        """Implement `Counters.clear_unless_reached`."""
        here = self._own.clear_unless_reached(key, amounts)
        return self._ask_redis(
            lambda: self._shared.clear_unless_reached(key, amounts), lambda: here
        )

    def restart(self, key: str, seconds: int) -> None:
        """Implement `Counters.restart`."""
        self._own.restart(key, seconds)
        self._ask_redis(lambda: self._shared.restart(key, seconds), lambda: None)

    def are_shared(self) -> bool:
        """Return whether Redis answers, so that all processes share the counters."""
        try:
            with self._breaker.attempt():
                self._shared.ping()
        except UnavailableError:
            self._recovery.watch()
            return False
        return True

    def describe(self) -> dict[str, Any]:
        """Return, for readiness, where attempts are counted; `ok` even without Redis."""
        shared = self.are_shared()
        return {
            "status": "ok",
            "kind": "redis" if shared else "memory",
            "breaker": self._breaker.state,
            **({} if shared else {"limits": "Redis is away: each process counts for itself"}),
        }

    def close(self) -> None:
        """Close the connections."""
        self._recovery.close()
        self._shared.close()

    def _answers(self) -> bool:
        try:
            self._shared.ping()
        except OutageError:
            return False
        return True

    def _ask_redis(self, ask: Callable[[], Answer], answer_here: Callable[[], Answer]) -> Answer:
        if getattr(self._paused, "until", 0.0) > time.monotonic():
            return answer_here()
        try:
            with self._breaker.attempt():
                return ask()
        except UnavailableError:
            self._recovery.watch()
            self._paused.until = time.monotonic() + PAUSE_SECONDS
            return answer_here()


@contextmanager
def _outages() -> Iterator[None]:
    """Turn every error of the Redis client into an `OutageError`."""
    try:
        yield
    except redis.RedisError as error:
        raise OutageError(type(error).__name__) from None
