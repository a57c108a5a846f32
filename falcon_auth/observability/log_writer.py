"""The log's writer thread, so that requests never wait for the reader of the log.

The standard library's QueueHandler and QueueListener cost 3.5 us per line: they build a record,
wake a thread and write each line separately. Here a request appends its text to a queue (0.1 us),
and the thread, which sleeps for `PAUSE_SECONDS` after each batch, writes hundreds of lines at once.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, RLock, Thread
from typing import NamedTuple, TextIO

MAX_WAITING = 20_000  # Queued lines, about 6 MB; further ones are dropped.
ROOM_AGAIN = MAX_WAITING // 2  # Queued lines at which dropping is considered over.
LINES_AT_ONCE = 2_000  # Taken out of the queue at a time, in addition to those that wait in it.
BATCH = 32_768  # Bytes per write; writes of several processes to a socket do not mix.
PIECE = select.PIPE_BUF  # Bytes that are written to a pipe atomically (POSIX, write).
PAUSE_SECONDS = 0.01  # Between two batches: the longest delay of a line.
FLUSH_SECONDS = 2.0  # The longest wait for the reader when the process ends.
IN_MEMORY = -1  # Stands for a descriptor where there is none.


class Loss(NamedTuple):
    """A number of lines that could not be written, and why."""

    lines: int
    reason: str


STALLED = Loss(1, "its reader has stalled")


class LineWriter:
    """Writes whole lines to a stream, in order, in a thread of its own.

    If the reader is slow, stalled or gone, or the disk is full, lines are lost, but `write` never
    blocks and never raises. Lost lines are counted (`dropped`) and reported once on standard error.
    As soon as lines can be written again, the log gets the line that *describe_dropped* returns for
    their number. A stream in memory is written to directly.

    Safe to call from any thread, and in a signal handler. After a fork, the child calls `restart`.
    """

    def __init__(self, stream: TextIO, describe_dropped: Callable[[int], str]) -> None:
        self._stream = stream
        self._describe_dropped = describe_dropped
        self._descriptor = _descriptor_of(stream)
        self._is_pipe, self._batch = _measure(self._descriptor)
        self.dropped = 0  # Since the process began.
        self.restart()

    def restart(self) -> None:
        """Start with an empty queue; for the child of a fork, which has no writer thread.

        Queued lines are left to the parent, so that none is written twice.
        """
        self._lines: SimpleQueue[str | Event] = SimpleQueue()
        self._lock = RLock()  # Reentrant: a signal handler may log while its thread holds it.
        self._thread: Thread | None = None
        self._closing = False
        self._torn = False  # Whether the last line was written only in part.
        self._unreported = 0  # Dropped lines that the log has not reported yet.
        self._has_reported = False  # Whether the loss was reported on standard error.

    def write(self, line: str) -> None:
        """Queue *line*, which ends in a newline; drop it if `MAX_WAITING` are queued already."""
        if self._descriptor == IN_MEMORY:
            self._write_to_memory(line)
        elif self._lines.qsize() >= MAX_WAITING:
            self._drop(STALLED)
        else:
            self._lines.put(line)
            if self._thread is None:
                self._start()

    def close(self) -> None:
        """Wait until everything is written, `FLUSH_SECONDS` at most, and end the thread.

        Lines queued afterwards are lost.
        """
        if self._thread is None:
            return
        self._closing = True
        written = Event()
        self._lines.put(written)
        if not written.wait(FLUSH_SECONDS):
            self._drop(STALLED._replace(lines=self._lines.qsize()))

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:  # pragma: no branch - another thread may be quicker
                self._thread = Thread(target=self._run, name="log-writer", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # No thread could be started: the next line tries again.
                    self._thread = None

    def _run(self) -> None:
        while not self._closing or self._lines.qsize():
            text, flushed = self._next_batch()
            loss = self._write_out(text)
            if loss:
                self._drop(loss)
            elif self._unreported and self._lines.qsize() < ROOM_AGAIN:
                self._report_in_log()
            if flushed:
                flushed.set()
            else:
                time.sleep(PAUSE_SECONDS)

    def _next_batch(self) -> tuple[str, Event | None]:
        """Wait for a line; return all queued ones, and the event to set when they are written."""
        item = self._lines.get()
        texts = []
        with suppress(Empty):
            while isinstance(item, str):
                texts.append(item)
                if len(texts) == LINES_AT_ONCE:
                    break
                item = self._lines.get_nowait()
        return "".join(texts), item if isinstance(item, Event) else None

    def _write_out(self, text: str) -> Loss | None:
        """Write, waiting for the reader as long as it takes; return what could not be written."""
        begun = int(self._torn)
        data = b"\n" * begun + text.encode("utf-8", "backslashreplace")
        written = 0
        try:
            while written < len(data):
                piece = data[written : self._end_of_piece(data, written)]
                try:
                    written += os.write(self._descriptor, piece)
                except (
                    BlockingIOError
                ):  # Another process has made the shared descriptor non-blocking.
                    _room_in(self._descriptor, seconds=None)
        except OSError as error:
            if written:
                self._torn = not data.endswith(b"\n", 0, written)
            return Loss(data.count(b"\n", max(written, begun)), str(error.strerror))
        self._torn = False
        return None

    def _end_of_piece(self, data: bytes, start: int) -> int:
        """Return where to end this write: at the end of a line if one is near enough."""
        size = self._batch
        if self._is_pipe and len(data) - start > PIECE and _bytes_in(self._descriptor):
            size = (
                PIECE  # The pipe may be nearly full: a larger write could mix with others' lines.
            )
        if len(data) - start <= size:
            return len(data)
        return data.rfind(b"\n", start, start + size) + 1 or start + size

    def _write_to_memory(self, line: str) -> None:
        try:
            self._stream.write(line)
            if self._unreported:
                self._stream.write(self._describe_dropped(self._unreported))
        except (OSError, ValueError) as error:  # ValueError: it has been closed.
            self._drop(Loss(1, str(getattr(error, "strerror", error))))
        else:
            self._unreported = 0
            self._has_reported = False

    def _report_in_log(self) -> None:
        unreported = self._unreported
        if self._write_out(self._describe_dropped(unreported)) is None:
            with self._lock:
                self._unreported -= unreported
                self._has_reported = False

    def _drop(self, loss: Loss) -> None:
        with self._lock:
            self.dropped += loss.lines
            self._unreported += loss.lines
            has_reported, self._has_reported = self._has_reported, True
        if not has_reported:
            _report(f"The log cannot be written: {loss.reason}\n")


def _descriptor_of(stream: TextIO) -> int:
    """Return the stream's file descriptor; `IN_MEMORY` if it has none."""
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return IN_MEMORY


def _measure(descriptor: int) -> tuple[bool, int]:
    """Return whether it is a pipe, and how many bytes to write at once: half of its capacity."""
    if descriptor == IN_MEMORY or not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return False, BATCH
    capacity = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    return True, max(PIECE, min(BATCH, capacity // 2))


def _bytes_in(pipe: int) -> int:
    """Return how many bytes in the pipe have not been read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def _room_in(descriptor: int, *, seconds: float | None) -> bool:
    """Wait until there is room to write, forever if *seconds* is None; return whether there is."""
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    return bool(room.poll(None if seconds is None else seconds * 1000))


def _report(text: str) -> None:
    """Report to standard error, unless that would block: it may be the same full pipe."""
    with suppress(OSError, ValueError):
        descriptor = _descriptor_of(sys.stderr)
        if descriptor == IN_MEMORY:
            sys.stderr.write(text)
        elif _room_in(descriptor, seconds=0):
            os.write(descriptor, text.encode())
