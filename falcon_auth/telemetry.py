"""Logs: one pipe for our events and every library's, one JSON object a line.

Events have fixed names; what varies goes into fields. Passwords, tokens and hashes are never
logged: nothing here takes a body, a header or a query.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import select
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Lock
from typing import Any, BinaryIO, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from falcon_auth.strict_json import dump_json

# The id of the request that this thread works on; the request log sets it.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

PIECE = 1_000  # Characters: what a pipe that has room at all takes without waiting (PIPE_BUF).
STALL_MS = 200  # For a reader to make room; one that does not is taken to have stalled.
_SHORTEST_SECRET = 4  # Shorter ones are in every text.

# Libraries that say at INFO what only their developers want to know.
_QUIET = ("waitress.queue", "alembic.runtime.migration")


def configure_logging(
    *, level: str, form: Literal["json", "console"] | None, stream: TextIO | None = None
) -> None:
    """Send all logs of this process, the standard library's too, to *stream* (standard output).

    Call once at start-up. Without a *form*, a terminal gets readable lines and all else JSON.
    """
    stream = stream or _standard_output()
    form = form or ("console" if stream.isatty() else "json")
    render: list[Processor] = [structlog.processors.format_exc_info]
    if form == "console":
        readable = structlog.dev.ConsoleRenderer(
            exception_formatter=structlog.dev.plain_traceback, colors=stream.isatty()
        )
        render += [_escape_controls, readable]
    else:
        render.append(structlog.processors.JSONRenderer(_to_json))
    lines = cast("TextIO", _Lines(stream))
    structlog.configure(
        processors=[_describe, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(lines),
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _describe,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


def _describe(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add level, time and request id: in one step, for every request writes a line."""
    event["level"] = method
    event["timestamp"] = datetime.now(UTC).isoformat().removesuffix("+00:00") + "Z"
    current = request_id.get()
    if current is not None:
        event.setdefault("request_id", current)
    return event


def _to_json(event: EventDict, default: Callable[[Any], Any]) -> str:
    """Write in ASCII: some readers take what else Unicode has for the end of a line."""
    line = dump_json(event, default)
    if line.isascii():
        return line.decode().replace("\x7f", r"\u007f")
    return json.dumps(event, default=default, separators=(",", ":")).replace("\x7f", r"\u007f")


def _escape_controls(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write out what a terminal would obey, so that no value forges or hides a line."""
    return {
        _printable(name): _printable(value, but="\n" if name == "exception" else "")
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }


def _printable(text: str, *, but: str = "") -> str:
    return "".join(
        each if each.isprintable() or each in but else each.encode("unicode_escape").decode()
        for each in text
    )


def _standard_output() -> TextIO:
    """Return standard output without a buffer, which could fail once more when the process ends."""
    try:
        raw = io.FileIO(sys.stdout.fileno(), "w", closefd=False)
    except io.UnsupportedOperation:  # Replaced by something in memory.
        return sys.stdout
    # Raw, as `python -u` has it: the declared type asks for a buffer, the code does not.
    return io.TextIOWrapper(
        cast("BinaryIO", raw), encoding="utf-8", errors="backslashreplace", write_through=True
    )


class _Lines(io.TextIOBase):
    """A stream for whole lines that are lost, not raised about, where they cannot be written.

    A reader that hung up or has stalled, or a full disk, must not turn answers into errors or
    keep them waiting. Standard error is told once, when it begins. Safe to call from any thread.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._losing = False
        self._torn = False  # Whether the last line has no end yet.
        self._room = _room_in(stream)
        self._lock = Lock()  # A pipe takes no more than 4 KiB in one piece.

    def write(self, text: str) -> int:
        with self._lock:
            try:
                self._write_pieces(("\n" if self._torn else "") + text)
                self._stream.flush()
            except OSError as error:
                self._tell(error)
                self._losing = True
            else:
                self._losing = False
        return len(text)

    def _write_pieces(self, text: str) -> None:
        for start in range(0, len(text), PIECE):
            # Waited for once: while lines are being lost, nobody waits for the next.
            patience = 0 if self._losing else STALL_MS
            if self._room is not None and not self._room.poll(patience):
                raise BlockingIOError(errno.EAGAIN, "its reader has stalled")
            self._stream.write(text[start : start + PIECE])
            self._torn = start + PIECE < len(text)

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


def redact(text: str, secrets: list[Any]) -> str:
    """Return *text* without the given values; what is no text of 4 characters or more stays."""
    texts = [each for each in secrets if isinstance(each, str) and len(each) >= _SHORTEST_SECRET]
    for secret in sorted(texts, key=len, reverse=True):  # One may be the beginning of another.
        text = text.replace(secret, "[redacted]")
    return text
