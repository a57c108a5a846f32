"""The circuit breaker, which stops calls to a backend that is unavailable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import structlog

State = Literal["closed", "open", "half_open"]

log = structlog.get_logger("falcon_auth.breaker")


class UnavailableError(Exception):
    """The protected backend is unavailable; `retry_after` is in whole seconds."""

    retry_after = 1


class OutageError(UnavailableError):
    """The call failed because the backend is unavailable.

    The message is logged, so it must not contain values of a query.
    """


class NotReachedError(UnavailableError):
    """The call ended before it reached the backend, so it says nothing about the backend."""


class CircuitOpenError(UnavailableError):
    """The circuit is open: the call was not made."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


@dataclass(slots=True, eq=False)
class _Period:
    """The time between two changes of state. Each call belongs to the period in which it began."""

    state: State
    failures: int = 0  # In a row.
    ends_at: float = math.inf  # When an open circuit lets one call through.


class Breaker:
    """Opens after *threshold* outages in a row; after *timeout* seconds one call tries again.

    An outcome counts only in the period in which its call began. So calls that were in progress
    when the circuit opened have no effect when they end, and of all calls only the trial can close
    it. A `RecoveryProbe` can close it earlier. Safe to call from any thread; calls run side by
    side. *clock* returns seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        threshold: int,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._threshold = threshold
        self._timeout = timeout
        self._clock = clock
        self._changing = Lock()  # Held while the period, or its count, changes.
        self._period = _Period("closed")

    @property
    def state(self) -> State:
        """Return `half_open` from the end of the time-out until the trial call has ended."""
        period = self._period
        return "half_open" if self._clock() >= period.ends_at else period.state

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Count the outcome of the call in the block; every exception propagates.

        `OutageError` is a failure, and `NotReachedError` is neither a failure nor a success. The
        end of the block and any other exception are successes, because the backend has answered.
        While the circuit is open, raises `CircuitOpenError` without entering the block.
        """
        began = self._admit()
        try:
            yield
        except OutageError as outage:
            self._count_failure(began)
            log.error("outage", of=self.name, reason=str(outage), breaker=self.state)  # noqa: TRY400 - the traceback may hold a query's values
            raise
        except NotReachedError:
            self._give_up_trial(began)
            raise
        except BaseException:
            self._count_success(began)
            raise
        else:
            self._count_success(began)

    def close(self) -> None:
        """Close the circuit, because the backend has answered outside of any call."""
        with self._changing:
            was_closed = self._period.state == "closed"
            if not was_closed:
                self._period = _Period("closed")
        if not was_closed:
            log.warning("outage_over", of=self.name)

    def _admit(self) -> _Period:
        """Return the period in which a call begins. Raises `CircuitOpenError`."""
        period = self._period
        if period.state == "closed":
            return period
        with self._changing:
            now = self._clock()
            if self._period.state == "open" and now >= self._period.ends_at:
                self._period = _Period("half_open")
                return self._period
            left = self._period.ends_at - now
        raise CircuitOpenError(retry_after=math.ceil(left) if 1 < left < math.inf else 1)

    def _count_failure(self, began: _Period) -> None:
        with self._changing:
            if self._period is not began:
                return
            began.failures += 1
            if began.state == "half_open" or began.failures >= self._threshold:
                self._period = _Period("open", ends_at=self._clock() + self._timeout)

    def _count_success(self, began: _Period) -> None:
        if began.state == "closed" and not began.failures:
            return  # The common case needs no lock.
        with self._changing:
            began.failures = 0
            closes = self._period is began and began.state == "half_open"
            if closes:
                self._period = _Period("closed")
        if closes:
            log.warning("outage_over", of=self.name)

    def _give_up_trial(self, began: _Period) -> None:
        """Let the next call be the trial."""
        with self._changing:
            if self._period is began and began.state == "half_open":
                self._period = _Period("open", ends_at=self._clock())
