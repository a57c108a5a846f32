"""Logs: one pipe for our events and every library's, one JSON object a line.

Events have fixed names; what varies goes into fields. Passwords, tokens and hashes are never
logged: nothing here takes a body, a header or a query.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, BinaryIO, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from falcon_auth.line_stream import LineStream
from falcon_auth.strict_json import dump_json

# The id of the request that this thread works on; the request log sets it.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

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
    lines = cast("TextIO", LineStream(stream))
    structlog.configure(
        processors=[_describe, *render],
        wrapper_class=type("Logger", (_Direct, structlog.make_filtering_bound_logger(level)), {}),
        logger_factory=lambda *_name: lines,
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


class _Direct(structlog.BoundLoggerBase):
    """Leads an event to its stream without what structlog has in between for other loggers.

    Every request writes a line, and a third of what that takes was spent there.
    """

    def _proxy_to_logger(self, method_name: str, event: str | None = None, **fields: Any) -> None:
        entry: Any = {**self._context, **fields, "event": event}
        for processor in self._processors:
            entry = processor(self._logger, method_name, entry)
        self._logger.write(f"{entry}\n")


def _describe(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add level, time and request id: in one step, for every request writes a line."""
    event["level"] = method
    event["timestamp"] = _timestamp()
    current = request_id.get()
    if current is not None:
        event.setdefault("request_id", current)
    return event


def _timestamp() -> str:
    """Return the present in UTC (RFC 3339), to the microsecond."""
    second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_date_time(second)}.{nanoseconds // 1_000:06}Z"


@lru_cache(1)
def _date_time(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


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


def redact(text: str, secrets: list[Any]) -> str:
    """Return *text* without the given values; what is no text of 4 characters or more stays."""
    texts = [each for each in secrets if isinstance(each, str) and len(each) >= _SHORTEST_SECRET]
    for secret in sorted(texts, key=len, reverse=True):  # One may be the beginning of another.
        text = text.replace(secret, "[redacted]")
    return text
