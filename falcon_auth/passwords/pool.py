"""The hashing threads: few, of low priority, with a bounded queue that clients share fairly."""

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
Abandoned = Callable[[], bool]  # Whether the client has disconnected.

NICENESS = (
    10  # Added to the process's own: request threads take precedence, but hashing still proceeds.
)
MAX_NICENESS = 19
FIRST_GUESS_SECONDS = 0.25  # bcrypt at cost 12, until jobs have been timed here.
SMOOTHING = 0.2  # The weight of the latest job in the running mean.
MAX_RETRY_AFTER_SECONDS = 30


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Ticket:
    """A queued job, and the future on which its caller waits. It may contain a password."""

    job: Callable[[], Any]
    abandoned: Abandoned | None
    answer: Future[Any] = field(default_factory=Future)


class HashingPool:
    """Runs jobs on *workers* threads; *queue_size* more may wait in a queue that clients share.

    The client with the fewest queued jobs is next; a full queue sheds the newest job of the client
    with the most (`FairQueue`). The pool does not know accounts, so that shedding depends on
    clients only.

    Safe to call from any thread. Threads start with the first jobs, so a pool may be created before
    a fork and used after it.

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
        # The executor's own queue contains one turn per ticket; a turn picks its ticket when it
        # runs.
        self._executor = ThreadPoolExecutor(
            workers, "hashing", initializer=_step_aside, initargs=(_usable_cores(),)
        )
        self._changed = threading.Condition()  # Guards everything below; notified when a job ends.
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
        """Run *job* on a worker, wait for it, and return or raise what it does.

        *client* is the client to which the job is attributed, as returned by `client_bucket`.

        Raises `OverloadedError`, with nothing done, if the queue is full and no other client has
        more jobs in it, if the job is shed later in favour of a client with fewer, or if the pool
        is closed. Raises `AbandonedError` if *abandoned* is true when the job's turn comes, so that
        jobs of disconnected clients do not delay others. A job that calls `run` itself may wait
        forever.
        """
        ticket = _Ticket(job, abandoned)
        with self._changed:
            self._make_room(client)
            self._queue.put(client, ticket)
        try:
            result: T = ticket.answer.result()
        finally:
            del ticket  # Otherwise an exception and the frames of its traceback would form a cycle.
        return result

    def close(self, timeout: float) -> bool:
        """Accept no more jobs, and return whether the accepted ones ended within *timeout* seconds.

        Jobs that are still queued then are refused with `OverloadedError`; those that are running
        continue to their end. Repeated calls are allowed.
        """
        with self._changed:
            self._closed = True
            drained = self._changed.wait_for(lambda: self.depth == 0, timeout)
            while self._queue:
                self._queue.take().answer.set_exception(OverloadedError())
        self._executor.shutdown(wait=False, cancel_futures=True)
        return drained

    def _make_room(self, client: str) -> None:
        """Provide a turn for a job of *client*, or raise; the caller holds the lock."""
        if self._closed:
            raise self._overloaded()
        if self.depth < self._capacity:
            try:
                self._executor.submit(self._take_turn)
            except (
                RuntimeError
            ):  # No further thread can be started, or the interpreter is shutting down.
                raise self._overloaded() from None
            return
        shed = self._queue.shed(client)
        if shed is None:
            raise self._overloaded()
        shed.answer.set_exception(self._overloaded())  # The newcomer takes over its turn.

    def _take_turn(self) -> None:
        with self._changed:
            if not self._queue:  # The executor has kept the turn of a job that it refused.
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
        """Run the job; return its result, or the exception to raise in its caller."""
        try:
            if abandoned is not None and abandoned():
                return None, AbandonedError()
            return self._timed(job), None
        except BaseException as error:  # noqa: BLE001 - even SystemExit: the worker must survive.
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
        """Build the refusal, which says when the queue will be empty; the caller holds the lock."""
        seconds = math.ceil(self.depth * self._seconds_per_job / self._workers)
        return OverloadedError(retry_after=min(max(1, seconds), MAX_RETRY_AFTER_SECONDS))


def _usable_cores() -> set[int]:
    return os.sched_getaffinity(0) if sys.platform == "linux" else set()


def _step_aside(cores: set[int]) -> None:
    """Allow this thread on all *cores*, and lower its priority below that of request threads.

    A thread inherits the CPU affinity of the thread that starts it, and the server keeps request
    threads on one core. Only on Linux: elsewhere the thread's id might be interpreted as a process
    id.
    """
    if sys.platform == "linux":  # pragma: no branch - the tests for it run on Linux.
        thread = threading.get_native_id()
        with suppress(
            OSError
        ):  # A sandbox may forbid it, which costs speed under load, not correctness.
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
            os.setpriority(os.PRIO_PROCESS, thread, min(niceness, MAX_NICENESS))
        with suppress(OSError):
            os.sched_setaffinity(thread, cores)
