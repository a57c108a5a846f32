"""Counters of attempts in Redis; in this process for as long as Redis is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from falcon_auth.errors import StoreUnavailableError
from falcon_auth.stores.breaker import Breaker, OutageError
from falcon_auth.stores.counters import MemoryCounters
from falcon_auth.throttle import Counters, Window

REDIS_SECONDS = 0.25  # For connecting, and for an answer.
# A thread that waited in vain does not ask again for so long: a request, which counts before
# and after its hash, waits once.
PAUSE_SECONDS = 10.0
PREFIX = "falcon-auth"
MS = 1000.0

Answer = TypeVar("Answer")


class RedisCounters(Counters):
    """Counts in Redis, by the clock of Redis; every method is one round trip.

    Raises `OutageError` where Redis does not answer, after 0.25 s at most.
    """

    def __init__(self, url: str, *, clock: Callable[[], float], prefix: str = PREFIX) -> None:
        """Connect to nothing yet. Raises `ValueError` for what is no Redis URL."""
        super().__init__()
        self._clock = clock
        self._prefix = prefix
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=REDIS_SECONDS,
            socket_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def read(self, keys: Sequence[str]) -> list[Window]:
        """See `Counters`."""
        answers = self._run([("GET", key) for key in keys] + [("PTTL", key) for key in keys])
        return self._windows(answers[: len(keys)], answers[len(keys) :])

    def count(self, keys: Sequence[str], seconds: int, *, amount: int = 1) -> list[Window]:
        """See `Counters`."""
        starts = [("SET", key, 0, "EX", seconds, "NX") for key in keys]
        hits = [("INCRBY", key, amount) for key in keys]
        answers = self._run([*starts, *hits, *[("PTTL", key) for key in keys]])
        return self._windows(answers[len(keys) : 2 * len(keys)], answers[2 * len(keys) :])

    def check(self) -> bool:
        """Return True if Redis answers."""
        with _outages():
            return bool(self._client.ping())

    def reset(self) -> int | None:
        """Forget every counter of this service; return how many there were. Not one round trip."""
        with _outages():
            keys = list(self._client.scan_iter(f"{self._prefix}:*"))
            return int(self._client.delete(*keys)) if keys else 0

    def clear(self, key: str) -> None:
        """Forget one counter."""
        self._run([("DEL", key)])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _run(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands, whose second part is a key, as one transaction."""
        with _outages(), self._client.pipeline(transaction=True) as pipeline:
            for name, key, *more in commands:
                pipeline.execute_command(name, f"{self._prefix}:{key}", *more)  # type: ignore[no-untyped-call] # redis-py's gap
            return pipeline.execute()

    def _windows(self, hits: Sequence[Any], left_ms: Sequence[Any]) -> list[Window]:
        now = self._clock()
        return [
            Window(int(count or 0), now + max(0, left) / MS)
            for count, left in zip(hits, left_ms, strict=True)
        ]


class FallbackCounters(Counters):
    """Asks Redis, and counts on in this process where it is away.

    What is counted in Redis is counted here too, so that an outage starts from what this
    process has seen, not from nothing.
    """

    def __init__(self, shared: RedisCounters, breaker: Breaker, own: MemoryCounters) -> None:
        super().__init__()
        self._shared = shared
        self._own = own
        self._breaker = breaker
        self._paused = threading.local()

    def read(self, keys: Sequence[str]) -> list[Window]:
        """See `Counters`."""
        return self._ask(lambda: self._shared.read(keys), lambda: self._own.read(keys))

    def count(self, keys: Sequence[str], seconds: int, *, amount: int = 1) -> list[Window]:
        """See `Counters`."""
        here = self._own.count(keys, seconds, amount=amount)
        return self._ask(lambda: self._shared.count(keys, seconds, amount=amount), lambda: here)

    def check(self) -> bool:
        """Return whether the counters are shared at the moment."""
        try:
            with self._breaker.guard():
                return self._shared.check()
        except StoreUnavailableError:
            return False

    def reset(self) -> int | None:
        """Forget every counter."""
        here = self._own.reset()
        return self._ask(self._shared.reset, lambda: here)

    def clear(self, key: str) -> None:
        """Forget one counter."""
        self._own.clear(key)
        self._ask(lambda: self._shared.clear(key), lambda: None)

    def describe(self) -> dict[str, Any]:
        """Say, for readiness, where is counted. Redis being away is no reason to take us out."""
        shared = self.check()
        return {
            "status": "ok",
            "kind": "redis" if shared else "memory",
            "breaker": self._breaker.state,
            **({} if shared else {"limits": "Redis is away: each process counts for itself"}),
        }

    def close(self) -> None:
        """Close the connections."""
        self._shared.close()

    def _ask(self, shared: Callable[[], Answer], own: Callable[[], Answer]) -> Answer:
        if getattr(self._paused, "until", 0.0) > time.monotonic():
            return own()
        try:
            with self._breaker.guard():
                return shared()
        except StoreUnavailableError:
            self._paused.until = time.monotonic() + PAUSE_SECONDS
            return own()


@contextmanager
def _outages() -> Iterator[None]:
    """Turn whatever Redis has to complain of into an outage: it cannot be used."""
    try:
        yield
    except redis.RedisError as error:
        raise OutageError(type(error).__name__) from None
