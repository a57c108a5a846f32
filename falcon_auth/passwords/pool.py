"""The threads that hash: few, of low priority, and with a bounded queue before them."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from falcon_auth.errors import AbandonedError, OverloadedError

T = TypeVar("T")

NICENESS = 10  # Added to the process's own: request threads go first, hashing still proceeds.
MAX_NICENESS = 19
FIRST_GUESS_SECONDS = 0.25  # bcrypt at cost 12, until jobs have been timed here.
SMOOTHING = 0.2  # The weight of the latest job in the running mean.
MAX_RETRY_AFTER_SECONDS = 30


class HashingPool:
    """Runs jobs first in, first out, on *workers* threads; *queue_size* more may wait.

    Safe to call from any thread. Threads start with the first jobs, not before, so a pool may be
    made ahead of a fork and used after it.

    *clock* returns seconds and times the jobs, for the estimate in `Retry-After`.
    """

    def __init__(
        self,
        workers: int,
        queue_size: int,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._workers = workers
        self._capacity = workers + queue_size
        self._clock = clock
        self._executor = ThreadPoolExecutor(
            workers, "hashing", initializer=_step_aside, initargs=(_usable_cores(),)
        )
        self._changed = threading.Condition()  # Guards the two below; told when _depth falls.
        self._depth = 0
        self._seconds_per_job = FIRST_GUESS_SECONDS

    @property
    def depth(self) -> int:
        """The number of jobs waiting or running; each counts until its caller has the answer."""
        with self._changed:
            return self._depth

    def run(self, job: Callable[[], T], *, abandoned: Callable[[], bool] | None = None) -> T:
        """Do *job* on a worker, wait for it, and return or raise what it does.

        Raises `OverloadedError`, at once and with nothing done, where the queue is full or the
        pool is closed; and `AbandonedError` where *abandoned* is true when the job's turn comes,
        so that the work of clients which have hung up does not hold up the others. A job that
        calls `run` itself may wait for ever.
        """
        with self._changed:  # Held across check, submission and count, so that none overtakes.
            if self._depth >= self._capacity:
                raise self._overloaded()
            try:
                future = self._executor.submit(self._work, job, abandoned)
            except RuntimeError:  # Closed, or the system grants no further thread.
                raise self._overloaded() from None
            self._depth += 1
        try:
            return future.result()
        except CancelledError:
            raise OverloadedError from None
        finally:
            with self._changed:
                self._depth -= 1
                self._changed.notify_all()

    def close(self, timeout: float) -> bool:
        """Accept no more; let the accepted finish; return whether all did in *timeout* seconds.

        Those that still wait then are refused with `OverloadedError`; those that run go on
        to their end. Closing again is allowed.
        """
        self._executor.shutdown(wait=False)
        with self._changed:
            drained = self._changed.wait_for(lambda: self._depth == 0, timeout)
        self._executor.shutdown(wait=False, cancel_futures=True)
        return drained

    def _work(self, job: Callable[[], T], abandoned: Callable[[], bool] | None) -> T:
        if abandoned is not None and abandoned():
            raise AbandonedError
        started = self._clock()
        try:
            return job()
        finally:
            seconds = self._clock() - started
            with self._changed:
                self._seconds_per_job += SMOOTHING * (seconds - self._seconds_per_job)

    def _overloaded(self) -> OverloadedError:
        """Build the refusal; the caller holds the lock. It names when the queue will be empty."""
        seconds = math.ceil(self._depth * self._seconds_per_job / self._workers)
        return OverloadedError(retry_after=min(max(1, seconds), MAX_RETRY_AFTER_SECONDS))


def _usable_cores() -> set[int]:
    return os.sched_getaffinity(0) if sys.platform == "linux" else set()


def _step_aside(cores: set[int]) -> None:
    """Use all *cores*, and let the request threads go before this one.

    A thread begins on the cores of the one that starts it, and the server keeps those that
    answer requests on one. Only Linux can do this: elsewhere the thread's id might be taken for
    some process's.
    """
    if sys.platform == "linux":  # pragma: no branch - the tests for it run on Linux.
        thread = threading.get_native_id()
        with suppress(OSError):  # A sandbox may forbid it: slower under load, not wrong.
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
            os.setpriority(os.PRIO_PROCESS, thread, min(niceness, MAX_NICENESS))
        with suppress(OSError):
            os.sched_setaffinity(thread, cores)
