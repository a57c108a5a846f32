"""Background work on a thread of its own, such as sweeping expired sessions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

import structlog

INTERVAL_SECONDS = 5.0  # Between rounds: what a crash can cost a snapshot.
PAUSE_SECONDS = 0.01  # Between slices, so that requests get their turn.

log = structlog.get_logger("falcon_auth.housekeeping")

Chore = Callable[[], bool]  # One slice of work; returns whether there may be more.


class Housekeeper:
    """Runs chores round after round in a daemon thread, from the first request of a process on.

    A chore that fails is logged and tried again in the next round.
    """

    def __init__(self, chores: Sequence[Chore], *, interval: float = INTERVAL_SECONDS) -> None:
        self._chores = chores
        self._interval = interval
        self._stopped = threading.Event()
        self._starting = threading.Lock()
        self._process: int | None = None
        self._thread: threading.Thread | None = None

    def ensure_running(self) -> None:
        """Start the thread where this process has none yet: threads do not survive a fork."""
        if self._process == os.getpid():
            return
        with self._starting:
            if self._process != os.getpid() and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
                self._thread.start()
                self._process = os.getpid()

    def stop(self) -> None:
        """Stop the thread after its current slice of work."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def round(self) -> None:
        """Run every chore until it has nothing left to do."""
        for chore in self._chores:
            try:
                while chore() and not self._stopped.wait(PAUSE_SECONDS):
                    pass
            except Exception as error:  # noqa: BLE001 - the next round tries again
                log.error("chore_failed", error=type(error).__name__)  # noqa: TRY400 - its text may quote data

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            self.round()
