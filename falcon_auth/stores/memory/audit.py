"""The audit trail in memory: the last ten thousand events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from falcon_auth.models import AuditEvent, Effects
from falcon_auth.stores.memory.state import MemoryState


class MemoryAudit:
    """An `AuditStore` in a bounded queue."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Append the events; the oldest are dropped beyond the bound."""
        with self._state.lock:
            self._state.changed(Effects(events=tuple(events)))

    def list_newest(self, *, limit: int) -> list[AuditEvent]:
        """Return events, newest first."""
        with self._state.lock:
            return list(islice(reversed(self._state.audit), limit))
