"""Where the lines of the log go: whole, in order, and without keeping any request waiting."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
from collections import deque
from contextlib import suppress
from threading import Lock
from typing import BinaryIO, TextIO

PIECE = 4_096  # Bytes: what a pipe that has room at all takes without waiting (PIPE_BUF).
STALL_MS = 200  # For a reader to make room; one that does not is taken to have stalled.
MAX_LEFT = 1_000  # Lines that wait for the thread that writes; it may hang on a file system.


class LineStream(io.TextIOBase):
    """A stream for whole lines that are lost, not raised about, where they cannot be written.

    A reader that hung up or has stalled, or a full disk, must not turn answers into errors or
    keep them waiting. Standard error is told once, when it begins.

    Safe to call from any thread, and in a signal handler. One thread writes at a time; the others
    leave their lines to it and go on, since waiting for it would cost more than the line.
    """

    def __init__(self, stream: TextIO) -> None:
        # Bytes go straight to the file; only what is in memory has none beneath.
        self._file: BinaryIO | None = getattr(stream, "buffer", None)
        self._stream = stream
        self._losing = False
        self._torn = False  # Whether the last line has no end yet.
        self._room = _room_in(stream)
        self._left: deque[str] = deque()
        self._writing = Lock()

    def write(self, text: str) -> int:
        """Write a line, or leave it to the thread that is writing."""
        if len(self._left) < MAX_LEFT:
            self._left.append(text)
        # Again after each release: in between, another thread may have left a line.
        while self._left and self._writing.acquire(blocking=False):
            try:
                self._write_lines()
            finally:
                self._writing.release()
        return len(text)

    def _write_lines(self) -> None:
        while self._left:
            try:
                self._write_whole(("\n" if self._torn else "") + self._left.popleft())
            except OSError as error:
                self._tell(error)
                self._losing = True
            else:
                self._losing = False

    def _write_whole(self, text: str) -> None:
        if self._file is None:
            self._stream.write(text)
            return
        rest = text.encode("utf-8", "backslashreplace")
        while rest:
            # Waited for once: while lines are being lost, nobody waits for the next.
            patience = 0 if self._losing else STALL_MS
            if self._room is not None and not self._room.poll(patience):
                raise BlockingIOError(errno.EAGAIN, "its reader has stalled")
            written = self._file.write(rest if self._room is None else rest[:PIECE])
            rest = rest[written:]
            self._torn = bool(rest)
        self._file.flush()

    def _tell(self, error: OSError) -> None:
        if not self._losing:
            with suppress(OSError):
                sys.stderr.write(f"The log cannot be written: {error.strerror}\n")


def _room_in(stream: TextIO) -> select.poll | None:
    """Return what tells whether a write would have to wait; None where none ever does."""
    try:
        descriptor = stream.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
    except (OSError, ValueError):  # In memory.
        return None
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    return room
