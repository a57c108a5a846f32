"""The circuit breaker around what can fail away from this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import structlog
from circuitbreaker import STATE_CLOSED, CircuitBreaker

from falcon_auth.errors import StoreUnavailableError

log = structlog.get_logger("falcon_auth.breaker")


class OutageError(Exception):
    """What the breaker guards cannot be reached. Any other exception is no failure of it.

    The message goes into the log: it holds no value of a query.
    """


class Breaker:
    """Opens after *threshold* outages in a row; lets one call through after *timeout* seconds.

    Safe to call from any thread; guarded calls run side by side. The counting is the
    `circuitbreaker` library's; that one call alone is let through is added here.
    """

    def __init__(self, name: str, *, threshold: int, timeout: int) -> None:
        self.name = name
        self._circuit = CircuitBreaker(failure_threshold=threshold, recovery_timeout=timeout)
        self._trial = Lock()  # Held by the one call that is let through.

    @property
    def state(self) -> str:
        """Return `closed`, `open` or `half_open`."""
        return str(self._circuit.state)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Watch over a call.

        Raises `StoreUnavailableError`, without making the call, where the circuit is open,
        and in place of an `OutageError` of the call.
        """
        closed = self.state == STATE_CLOSED
        if not closed and (self._circuit.opened or not self._trial.acquire(blocking=False)):
            raise StoreUnavailableError(retry_after=self._circuit.open_remaining)
        try:
            yield
        except OutageError as error:
            self._count(error)
            raise StoreUnavailableError from None
        except BaseException:
            self._succeed()
            raise
        else:
            self._succeed()
        finally:
            if not closed:
                self._trial.release()

    def _count(self, outage: OutageError) -> None:
        # The library keeps the last failure: not ours, whose traceback holds a query's values.
        kept = OutageError(*outage.args)
        self._circuit.__exit__(OutageError, kept, None)
        log.error("outage", of=self.name, reason=str(outage), breaker=self.state)

    def _succeed(self) -> None:
        if self._circuit.failure_count:
            if not self._circuit.closed:
                log.warning("outage_over", of=self.name)
            self._circuit.reset()
