"""Named limits, and counting their uses. Callers decide what to count, and by which key."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from falcon_auth.errors import RateLimitedError
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.throttle.counters import Counters, Window


def digest(text: str) -> str:
    """Return a key of fixed length for what shared counters must not hold, such as an address."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Limit:
    """*amount* uses of something within *window_seconds*, which begin with the first use.

    The *name* is the namespace of the counters, and the name of the limit in log and metrics.
    """

    name: str
    amount: int
    window_seconds: int

    def counter(self, key: str) -> str:
        """Return the counter's key for *key*, which identifies the limited client or account."""
        return f"{self.name}/{key}"


class Limiter:
    """Counts uses of limits. Safe to call from any thread; each count is one atomic step.

    Every method that counts raises `StoreUnavailableError` when the counters cannot answer.
    """

    def __init__(
        self, counters: Counters, *, clock: Callable[[], float], events: Events = LOG_ONLY
    ) -> None:
        self._counters = counters
        self._clock = clock
        self._events = events

    def allows(self, limit: Limit, key: str) -> bool:
        """Count one use by *key*, and return whether it was within the limit. One round trip."""
        return self._count(limit, key).hits <= limit.amount

    def count(self, limit: Limit, key: str) -> None:
        """Count one use by *key*; raises `RateLimitedError` beyond the limit. One round trip."""
        window = self._count(limit, key)
        if window.hits > limit.amount:
            self.refuse(limit, window)

    def refuse(self, limit: Limit, window: Window) -> NoReturn:
        """Log and count a refusal, and raise `RateLimitedError` until the window's end."""
        self._events.record("rate_limited", limit=limit.name)
        wait = math.ceil(window.ends_at - self._clock())
        # If the clock was set back, nobody should wait longer than the window.
        raise RateLimitedError(retry_after=min(wait, limit.window_seconds))

    def _count(self, limit: Limit, key: str) -> Window:
        return self._counters.count([limit.counter(key)], limit.window_seconds)[0]
