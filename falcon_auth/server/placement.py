"""CPU affinity of the request threads: all on one core, which the kernel chooses.

Only one thread of a process runs Python at a time. So threads on several cores gain nothing, and
pass the interpreter lock from core to core, each time waiting for a core to wake up, which takes
longer than a short request. Requests per second on two cores with 32 connections
(docs/performance.md has all figures):

    the profile, threads on one core     5,819      a bare resource     10,034
    the profile, threads spread            519      a bare resource      2,387
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress

from waitress.task import ThreadedTaskDispatcher

RECONSIDER_SECONDS = 5.0  # How long the threads may share a core with another busy process.

Bind = Callable[[int, set[int]], object]
Where = Callable[[], int | None]


class OneCore:
    """Keeps threads together on one core, and moves them together when the kernel prefers another.

    From time to time, the kernel may move the thread that calls `follow_kernel`, and the others
    follow. So they leave a core that other processes use as well. `join` is for any thread,
    everything else for that thread only. Does nothing if there is only one of *cores*, or if the
    system refuses.

    *bind* is `os.sched_setaffinity`; *where* returns the calling thread's core, and is None if that
    cannot be determined.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        cores: Collection[int] = (),
        bind: Bind = lambda _thread, _cores: None,
        where: Where = lambda: None,
    ) -> None:
        self._clock = clock
        self._cores = set(cores)
        self._bind = bind
        self._where = where
        self._core: int | None = None
        self._followers: set[int] = set()
        self._lock = threading.Lock()  # Guards the two above.
        self._is_free = len(cores) > 1  # Whether the calling thread is currently unbound.
        self._placed_at = clock()

    def join(self) -> None:
        """Bind the calling thread to the common core, now and whenever that changes."""
        thread = threading.get_native_id()
        with self._lock:
            self._followers.add(thread)
            if self._core is not None:
                self._put(thread, {self._core})

    def follow_kernel(self) -> None:
        """Unbind the calling thread if it is time, or bind all threads to where it went.

        Call it once in each turn of a loop that waits, since the kernel moves threads that wake up.
        It is cheap if there is nothing to do.
        """
        now = self._clock()
        if self._is_free:
            self._is_free = False
            self._placed_at = now
            self._gather(self._where())
        elif len(self._cores) > 1 and now - self._placed_at >= RECONSIDER_SECONDS:
            self._is_free = True
            self._put(threading.get_native_id(), self._cores)

    def _gather(self, core: int | None) -> None:
        """Bind all threads to *core*; if it is unknown, unbind them and stop moving them."""
        if core is None:
            self._cores = set()
            return
        self._put(threading.get_native_id(), {core})
        with self._lock:
            if core != self._core:
                self._core = core
                for thread in self._followers:
                    self._put(thread, {core})

    def _put(self, thread: int, cores: set[int]) -> None:
        with suppress(OSError):  # The thread has ended, or a sandbox forbids it.
            self._bind(thread, cores)


def one_core(clock: Callable[[], float]) -> OneCore:
    """Return a `OneCore` for the cores that this process may use."""
    if sys.platform != "linux":  # pragma: no cover
        return OneCore(clock)
    return OneCore(
        clock,
        cores=os.sched_getaffinity(0),
        bind=os.sched_setaffinity,
        where=current_core(ctypes.CDLL(None)),
    )


def current_core(libc: object) -> Where:
    """Return a function that returns the calling thread's current core (sched_getcpu(3)).

    It does not use /proc, which a container or a systemd unit may hide. Returns None if *libc* or
    the kernel lacks the call.
    """
    ask: Callable[[], int] = getattr(libc, "sched_getcpu", lambda: -1)

    def where() -> int | None:
        core = ask()
        return core if core >= 0 else None

    return where


class LastInFirstOut:
    """A condition that wakes the most recent waiter, whose data is most likely still in the caches.

    `threading.Condition` wakes the first waiter, so all threads take turns even if a few would
    suffice: a request to a bare application then takes 79 us of processor time instead of 58 (160
    threads, 32 connections, median of three runs). Like that class, it must be called with *lock*
    held. Waiters must check their condition in a loop.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._gates: list[threading.Lock] = []

    def wait(self) -> None:
        """Release the lock until `notify`, then acquire it again."""
        gate = threading.Lock()
        gate.acquire()
        self._gates.append(gate)
        self._lock.release()
        try:
            gate.acquire()
        finally:
            self._lock.acquire()

    def notify(self) -> None:
        """Wake one thread, if any is waiting."""
        if self._gates:
            self._gates.pop().release()

    def notify_all(self) -> None:
        """Wake every waiting thread."""
        while self._gates:
            self.notify()


class RequestThreads(ThreadedTaskDispatcher):
    """waitress's threads, on the common core, and with as few of them active as necessary."""

    def __init__(self, placement: OneCore) -> None:
        super().__init__()
        self._placement = placement
        self.queue_cv = LastInFirstOut(self.lock)

    def handler_thread(self, thread_no: int) -> None:
        """Answer requests until the pool stops this thread."""
        self._placement.join()
        super().handler_thread(thread_no)
