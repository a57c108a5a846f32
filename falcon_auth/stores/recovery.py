"""Detects that an unavailable backend has recovered, without risking a request."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread

from falcon_auth.breaker import Breaker

INTERVAL_SECONDS = 1.0


class RecoveryProbe:
    """Asks a backend once a second while its circuit is open, and closes it on an answer.

    The thread runs only during an outage. So a failover ends for users about a second after it ends
    for the database, however long CIRCUIT_BREAKER_TIMEOUT is. Safe to call from any thread.
    *answers* must not raise.
    """

    def __init__(
        self,
        breaker: Breaker,
        answers: Callable[[], bool],
        *,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self._breaker = breaker
        self._answers = answers
        self._interval = interval
        self._starting = Lock()
        self._stopped = Event()
        self._thread: Thread | None = None

    def watch(self) -> None:
        """Start the thread if the circuit is open, unless it is running already."""
        if self._breaker.state == "closed":
            return
        with self._starting:
            if not self._stopped.is_set() and (self._thread is None or not self._thread.is_alive()):
                name = f"{self._breaker.name}-recovery"
                self._thread = Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        with self._starting:
            self._stopped.set()

    def _run(self) -> None:
        while self._breaker.state != "closed" and not self._stopped.wait(self._interval):
            if self._answers():
                self._breaker.close()
