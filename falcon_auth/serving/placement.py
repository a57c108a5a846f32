"""On which core requests are answered: together on one, which the kernel chooses.

Only one thread of a process runs Python at a time. Threads on several cores therefore gain
nothing for requests, and pass the interpreter lock from core to core, each time with the wait
for one to wake up: that takes longer than a short request does (see docs/performance.md).
"""

import os
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from waitress.task import ThreadedTaskDispatcher

RECONSIDER_SECONDS = 5.0  # How long another process may keep the core busy before we leave it.

Bind = Callable[[int, set[int]], object]


class OneCore:
    """Keeps threads together on one core, for as long as that one is not better left.

    Now and then the thread that calls `look` is free to go where the kernel puts it, and the
    others follow: so they leave a core that other processes want too. `join` is for any thread,
    the rest for the one that calls `look`. Does nothing where there is no choice of *cores*, or
    where the system refuses.

    *bind* and *where* are `os.sched_setaffinity` and what tells the calling thread's core.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        cores: Collection[int] = (),
        bind: Bind = lambda _thread, _cores: None,
        where: Callable[[], int] = lambda: 0,
    ) -> None:
        self._clock = clock
        self._cores = set(cores)
        self._bind = bind
        self._where = where
        self._core: int | None = None
        self._followers: set[int] = set()
        self._lock = threading.Lock()  # Guards the two above.
        self._free_since: float | None = clock() if len(cores) > 1 else None
        self._placed_at = clock()

    def join(self) -> None:
        """Put the calling thread on the common core, now and later."""
        thread = threading.get_native_id()
        with self._lock:
            self._followers.add(thread)
            if self._core is not None:
                self._put(thread, {self._core})

    def look(self) -> None:
        """Free the calling thread where it is time, or bind all to where it went; cheap else.

        To be called once in each turn of a loop that waits, which is when the kernel moves it.
        """
        now = self._clock()
        if self._free_since is not None:
            self._free_since = None
            self._placed_at = now
            self._gather(self._where())
        elif len(self._cores) > 1 and now - self._placed_at >= RECONSIDER_SECONDS:
            self._free_since = now
            self._put(threading.get_native_id(), self._cores)

    def _gather(self, core: int) -> None:
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
        clock, cores=os.sched_getaffinity(0), bind=os.sched_setaffinity, where=current_core
    )


def current_core() -> int:
    """Return the core that the calling thread runs on (proc(5), field 39 of stat)."""
    fields = Path("/proc/thread-self/stat").read_text(encoding="ascii", errors="replace")
    return int(fields.rpartition(")")[2].split()[36])


class LastFirst:
    """A condition that wakes the thread which came last: the caches still hold what it needs.

    `threading.Condition` wakes the first, so that all threads take turns even where a few would
    do. To be called with *lock* held, as that is. Only for what waits in a loop.
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


class Pool(ThreadedTaskDispatcher):
    """waitress's threads: on the common core, and as few of them at work as will do."""

    def __init__(self, placement: OneCore) -> None:
        super().__init__()
        self._placement = placement
        self.queue_cv = LastFirst(self.lock)

    def handler_thread(self, thread_no: int) -> None:
        """Answer requests until told to end."""
        self._placement.join()
        super().handler_thread(thread_no)
