"""The threads that hash: few, of low priority, and with a bounded queue that clients share."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from falcon_auth.errors import AbandonedError, OverloadedError
from falcon_auth.passwords.fair_queue import FairQueue
from falcon_auth.throttle.client_buckets import UNKNOWN_CLIENT

T = TypeVar("T")
Abandoned = Callable[[], bool]  # Whether the client has hung up meanwhile.

NICENESS = 10  # Added to the process's own: request threads go first, hashing still proceeds.
MAX_NICENESS = 19
FIRST_GUESS_SECONDS = 0.25  # bcrypt at cost 12, until jobs have been timed here.
SMOOTHING = 0.2  # The weight of the latest job in the running mean.
MAX_RETRY_AFTER_SECONDS = 30


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Ticket:
    """A job in the queue, and where its caller waits for the answer. It may hold a password."""

    job: Callable[[], Any]
    abandoned: Abandoned | None
    answer: Future[Any] = field(default_factory=Future)


class HashingPool:
    """Runs jobs on *workers* threads; *queue_size* more may wait, in a queue that clients share.

    The client with the fewest jobs in the queue is next; a full queue sheds the newest job of
    whoever has most (`FairQueue`). The pool knows nothing of accounts: who is shed depends on
    clients alone.

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
        # Its own queue holds turns, one for each ticket; whose turn it is shows when it comes.
        self._executor = ThreadPoolExecutor(
            workers, "hashing", initializer=_step_aside, initargs=(_usable_cores(),)
        )
        self._changed = threading.Condition()  # Guards all below; notified when a job ends.
        self._queue: FairQueue[_Ticket] = FairQueue()
        self._running = 0
        self._closed = False
        self._seconds_per_job = FIRST_GUESS_SECONDS

    @property
    def depth(self) -> int:
        """The number of jobs waiting or running; each counts until it is answered."""
        with self._changed:
            return len(self._queue) + self._running

    def run(
        self,
        job: Callable[[], T],
        *,
        client: str = UNKNOWN_CLIENT,
        abandoned: Abandoned | None = None,
    ) -> T:
        """Do *job* on a worker, wait for it, and return or raise what it does.

        *client* is whom the place in the queue is counted for, as `client_bucket` names it.

        Raises `OverloadedError`, with nothing done, where the queue is full and no other client
        has more in it, where the job is shed later for a client that has less, and where the pool
        is closed; and `AbandonedError` where *abandoned* is true when the job's turn comes, so
        that the work of clients which have hung up does not hold up the others. A job that calls
        `run` itself may wait for ever.
        """
        ticket = _Ticket(job, abandoned)
        with self._changed:
            self._make_room(client)
            self._queue.put(client, ticket)
        try:
            result: T = ticket.answer.result()
        finally:
            del ticket  # Else an exception and the frames in its traceback keep each other.
        return result

    def close(self, timeout: float) -> bool:
        """Accept no more; let the accepted finish; return whether all did in *timeout* seconds.

        Those that still wait then are refused with `OverloadedError`; those that run go on
        to their end. Closing again is allowed.
        """
        with self._changed:
            self._closed = True
            drained = self._changed.wait_for(lambda: self.depth == 0, timeout)
            while self._queue:
                self._queue.take().answer.set_exception(OverloadedError())
        self._executor.shutdown(wait=False, cancel_futures=True)
        return drained

    def _make_room(self, client: str) -> None:
        """Find a turn for a job of *client*, or raise; the caller holds the lock."""
        if self._closed:
            raise self._overloaded()
        if self.depth < self._capacity:
            try:
                self._executor.submit(self._take_turn)
            except RuntimeError:  # The system grants no further thread, or Python is ending.
                raise self._overloaded() from None
            return
        shed = self._queue.shed(client)
        if shed is None:
            raise self._overloaded()
        shed.answer.set_exception(self._overloaded())  # Its turn is the newcomer's now.

    def _take_turn(self) -> None:
        with self._changed:
            if not self._queue:  # The executor kept the turn of a job that it refused.
                return
            ticket = self._queue.take()
            self._running += 1
        result, error = self._attempt(ticket.job, ticket.abandoned)
        with self._changed:
            self._running -= 1
            if error is None:
                ticket.answer.set_result(result)
            else:
                ticket.answer.set_exception(error)
            self._changed.notify_all()

    def _attempt(
        self, job: Callable[[], T], abandoned: Abandoned | None
    ) -> tuple[T | None, BaseException | None]:
        """Do the job; return its result, or what it raised, which is its caller's to handle."""
        try:
            if abandoned is not None and abandoned():
                return None, AbandonedError()
            return self._timed(job), None
        except BaseException as error:  # noqa: BLE001 - SystemExit too: the worker lives on.
            return None, error

    def _timed(self, job: Callable[[], T]) -> T:
        started = self._clock()
        try:
            return job()
        finally:
            seconds = self._clock() - started
            with self._changed:
                self._seconds_per_job += SMOOTHING * (seconds - self._seconds_per_job)

    def _overloaded(self) -> OverloadedError:
        """Build the refusal; the caller holds the lock. It names when the queue will be empty."""
        seconds = math.ceil(self.depth * self._seconds_per_job / self._workers)
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
