"""A deadline for everything that one delivery does on its sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer


class Deadline:
    """Shuts down the sockets of one delivery at its deadline."""

    def __init__(self) -> None:
        self.has_passed = False
        self._watched: list[socket.socket] = []

    def watch(self, *handles: socket.socket) -> None:
        """Shut these sockets down at the deadline, or at once if it has passed."""
        self._watched.extend(handles)
        if self.has_passed:
            self._shut_down()

    @contextmanager
    def enforce(self, seconds: float) -> Iterator[None]:
        """Shut all sockets down unless the block ends within *seconds*."""
        timer = Timer(seconds, self._shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _shut_down(self) -> None:
        self.has_passed = True
        for handle in self._watched:
            with suppress(OSError):  # It is closed already.
                handle.shutdown(socket.SHUT_RDWR)
