"""Logs: one pipeline for our events and those of libraries, one JSON object per line.

Events have fixed names; what varies goes into fields. Passwords, tokens and hashes are never
logged: nothing here takes a body, a header or a query.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any, BinaryIO, Literal, TextIO, cast

import structlog
from structlog.processors import format_exc_info
from structlog.typing import EventDict, Processor, WrappedLogger

from falcon_auth.models import Client
from falcon_auth.observability.log_writer import LineWriter
from falcon_auth.strict_json import dump_json

# The fields of every line while this thread serves a request: `request_id`, `ip` (the client's
# address as the throttle sees it), `trace_id` (W3C Trace Context). The request middleware sets it.
request_fields: ContextVar[Mapping[str, str]] = ContextVar(
    "request_fields", default=MappingProxyType({})
)
# Whose request that is, for the audit trail: None where this thread serves none.
request_client: ContextVar[Client | None] = ContextVar("request_client", default=None)

_SHORTEST_SECRET = 4  # Shorter values occur in any text by chance.

# Libraries whose INFO messages are only of use to their developers.
_QUIET = ("waitress.queue", "alembic.runtime.migration")


class _Handler(logging.Handler):
    """A handler of the standard library, which closes it when the process ends."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self.writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record for the writer thread."""
        try:
            self.writer.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - as every handler of the library does
            self.handleError(record)

    def close(self) -> None:
        """Wait until everything is written, `FLUSH_SECONDS` at most."""
        self.writer.close()
        super().close()


def _restart_writers() -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Handler):
            handler.writer.restart()


os.register_at_fork(after_in_child=_restart_writers)


def dropped_lines() -> int:
    """Return how many lines this process could not write since the logs were configured."""
    handlers = logging.getLogger().handlers
    return sum(each.writer.dropped for each in handlers if isinstance(each, _Handler))


def configure_logging(
    *, level: str, form: Literal["json", "console"] | None, stream: TextIO | None = None
) -> None:
    """Send all logs of this process, including the standard library's, to *stream*.

    Call it once at start-up. By default *stream* is standard output, and *form* is `console` if
    that is a terminal, else `json`. A separate thread writes the lines: it starts with the first
    line, starts again after a fork, and finishes before the process ends (see `LineWriter`).
    """
    stream = stream or _standard_output()
    form = form or ("console" if stream.isatty() else "json")
    render: Processor = structlog.processors.JSONRenderer(_to_json)
    if form == "console":
        render = _console_renderer(colors=stream.isatty())

    # A single processor for all steps, because structlog's own work between two processors takes
    # longer than most of the steps do.
    def write_own(logger: WrappedLogger, method: str, event: EventDict) -> str:
        if "exc_info" in event:
            event = format_exc_info(logger, method, event)
        return f"{render(logger, method, _describe(logger, method, event))!s}\n"

    def describe_dropped(count: int) -> str:
        return write_own(None, "warning", {"event": "log_lines_dropped", "count": count})

    writer = LineWriter(stream, describe_dropped)
    lines = _LineLogger(writer.write)
    structlog.configure(
        processors=[write_own],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_name: lines,
    )
    _redirect_standard_library(writer, render, level)


def _redirect_standard_library(writer: LineWriter, render: Processor, level: str) -> None:
    """Send records of the standard library's loggers, and warnings, to the same *writer*."""
    handler = _Handler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _describe,
                format_exc_info,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


class _LineLogger:
    """The end of structlog's pipeline: a method for each level, all of which queue the line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = write


def _console_renderer(*, colors: bool) -> Processor:
    """Return the renderer for human readers, which escapes control characters."""
    renderer = structlog.dev.ConsoleRenderer(
        exception_formatter=structlog.dev.plain_traceback, colors=colors
    )
    return lambda logger, method, event: renderer(
        logger, method, _escape_controls(logger, method, event)
    )


def _describe(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add the level, the time and the request's fields; one step, for speed."""
    event["level"] = method
    event["timestamp"] = _timestamp()
    for name, value in request_fields.get().items():
        event.setdefault(name, value)
    return event


def _timestamp() -> str:
    """Return the current time in UTC (RFC 3339), to the microsecond."""
    second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_date_time(second)}.{nanoseconds // 1_000:06}Z"


@lru_cache(1)
def _date_time(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _to_json(event: EventDict, default: Callable[[Any], Any]) -> str:
    """Render as ASCII: some readers treat other Unicode separators as the end of a line."""
    line = dump_json(event, default)
    if line.isascii():
        return line.decode().replace("\x7f", r"\u007f")
    return json.dumps(event, default=default, separators=(",", ":")).replace("\x7f", r"\u007f")


def _escape_controls(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape control characters, so that no value forges or hides a line."""
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
    """Return standard output unbuffered: flushing a buffer at exit could fail once more."""
    try:
        raw = io.FileIO(sys.stdout.fileno(), "w", closefd=False)
    except io.UnsupportedOperation:  # It was replaced by a stream in memory.
        return sys.stdout
    # Unbuffered, as with `python -u`: the declared type asks for a buffer, the code does not.
    return io.TextIOWrapper(
        cast("BinaryIO", raw), encoding="utf-8", errors="backslashreplace", write_through=True
    )


def redact(text: str, secrets: list[Any]) -> str:
    """Return *text* without the given values; values shorter than 4 characters stay."""
    texts = [each for each in secrets if isinstance(each, str) and len(each) >= _SHORTEST_SECRET]
    for secret in sorted(texts, key=len, reverse=True):  # One may be a prefix of another.
        text = text.replace(secret, "[redacted]")
    return text
