"""CPU affinity of the request threads: all on one core, which the kernel chooses.

Only one thread of a process runs Python at a time. Threads on several cores therefore gain
nothing for requests, and pass the interpreter lock from core to core, each time with the wait
for one to wake up: that takes longer than a short request does. Requests a second on two cores,
32 connections (docs/performance.md has all figures):

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

RECONSIDER_SECONDS = 5.0  # How long another process may keep the core busy before we leave it.

Bind = Callable[[int, set[int]], object]
Where = Callable[[], int | None]


class OneCore:
    """Keeps threads together on one core, for as long as that one is not better left.

    Now and then the thread that calls `follow_kernel` is free to go where the kernel puts it, and
    the others follow: so they leave a core that other processes want too. `join` is for any
    thread, the rest for that one. Does nothing where there is no choice of *cores*, or where the
    system refuses.

    *bind* and *where* are `os.sched_setaffinity` and what tells the calling thread's core; None
    where that cannot be known.
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
        self._is_free = len(cores) > 1  # Whether the kernel has had its say since the last time.
        self._placed_at = clock()

    def join(self) -> None:
        """Bind the calling thread to the common core, now and after each move."""
        thread = threading.get_native_id()
        with self._lock:
            self._followers.add(thread)
            if self._core is not None:
                self._put(thread, {self._core})

    def follow_kernel(self) -> None:
        """Free the calling thread where it is time, or bind all to where it went; cheap else.

        To be called once in each turn of a loop that waits, which is when the kernel moves it.
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
        """Bind all threads to *core*; where it is unknown, to none, and never ask again."""
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
        with suppress(OSError):  # Its thread has ended, or a sandbox forbids it.
            self._bind(thread, cores)


def one_core(clock: Callable[[], float]) -> OneCore:
    """Return what keeps threads on one of the cores that this process may use."""
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

    Not by /proc, which a container or a unit of systemd may hide. None where *libc* lacks the
    call, or the kernel does.
    """
    ask: Callable[[], int] = getattr(libc, "sched_getcpu", lambda: -1)

    def where() -> int | None:
        core = ask()
        return core if core >= 0 else None

    return where


class LastInFirstOut:
    """A condition that wakes the thread which came last: the caches still hold what it needs.

    `threading.Condition` wakes the first, so that all threads take turns even where a few would
    do: a request of a bare application then takes 79 us of processor time, not 58 (160 threads, 32
    connections, median of three runs). To be called with *lock* held, as that is. Only for what
    waits in a loop.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._gates: list[threading.Lock] = []

    def wait(self) -> None:
        """Release the lock until `notify`, then take it again."""
        gate = threading.Lock()
        gate.acquire()
        self._gates.append(gate)
        self._lock.release()
        try:
            gate.acquire()
        finally:
            self._lock.acquire()

    def notify(self) -> None:
        """Wake one thread, if any waits."""
        if self._gates:
            self._gates.pop().release()

    def notify_all(self) -> None:
        """Wake every thread that waits."""
        while self._gates:
            self.notify()


class RequestThreads(ThreadedTaskDispatcher):
    """waitress's threads: on the common core, and as few of them at work as will do."""

    def __init__(self, placement: OneCore) -> None:
        super().__init__()
        self._placement = placement
        self.queue_cv = LastInFirstOut(self.lock)

    def handler_thread(self, thread_no: int) -> None:
        """Answer requests until the pool stops this thread."""
        self._placement.join()
        super().handler_thread(thread_no)
