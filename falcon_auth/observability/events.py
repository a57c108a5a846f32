"""Security events of accounts, sessions and tokens: one call logs and counts each.

`event_table` defines the events. Metrics are counted here and not derived from the log, because
LOG_LEVEL may suppress lines. During a request, the line also has the request's id and the client's
address, like every other line (`logs.request_fields`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, Unpack

import structlog

from falcon_auth.observability.event_table import EVENTS, EventName

# Counts a metric: its name, the values of its labels, and the amount.
Count = Callable[[str, tuple[str, ...], int], None]

log = structlog.get_logger("falcon_auth.events")


class Fields(TypedDict, total=False):
    """The fields an event may have: ids, fixed words and numbers, never an address or a name."""

    user_id: str | None
    session_id: str
    reason: str
    result: str
    limit: str
    scope: str
    role: str  # A role's name, which is the operator's choice.
    provider: str  # Its name in PROVIDERS_FILE.
    count: int  # How many events this record stands for; by default 1.
    seconds: int | None  # How far a token's time lies in the past or the future.


class Events:
    """Logs and counts events. Without *count* it only logs.

    Safe to call from any thread; never blocks. *count* must not raise.
    """

    def __init__(self, count: Count | None = None) -> None:
        self._count = count

    def record(self, name: EventName, **fields: Unpack[Fields]) -> None:
        """Log and count an event that happened *count* times; do nothing if *count* is 0.

        Raises `ValueError`, for a mistake of the caller, if the table does not list a value.
        """
        kind = EVENTS[name]
        word = str(fields.get(kind.label)) if kind.label else ""
        if kind.closed and kind.label and word not in kind.words:
            raise ValueError(f"{name} has no such {kind.label}")
        if fields.get("count") == 0:
            return
        if kind.level is not None:
            level = "info" if word in kind.quiet else kind.level
            getattr(log, level)(name, **fields)
        if self._count is not None and kind.metric is not None:
            self._count(kind.metric.name, kind.values(name, word), fields.get("count", 1))


LOG_ONLY = Events()
