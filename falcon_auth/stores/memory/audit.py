"""The audit trail in memory: the last events only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from falcon_auth.models import (
    NO_EFFECTS,
    AuditEvent,
    Effects,
    Failure,
    FailureCount,
    time_ordered_id,
)
from falcon_auth.store import AuditQuery
from falcon_auth.store.audit import EVERYTHING
from falcon_auth.stores.memory.state import MemoryState


class MemoryAudit:
    """An `AuditStore` in a bounded list, which is read from end to end."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    @property
    def count(self) -> int:
        """How many events are kept."""
        return len(self._state.audit.events)

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Add the events; the oldest are dropped beyond the bound."""
        with self._state.lock:
            self._state.changed(Effects(events=tuple(events)))

    def append_failure(self, failure: Failure) -> bool:
        """Count it, and add it or count it again, under one lock."""
        with self._state.lock:
            self._state.changed(NO_EFFECTS)
            return self._state.audit.add_failure(failure)

    def list_newest(
        self, query: AuditQuery = EVERYTHING, *, before: str | None = None, limit: int
    ) -> list[AuditEvent]:
        """Look through all events."""
        found = (
            event
            for event in reversed(self._events())
            if (before is None or event.id < before) and _fits(event, query)
        )
        return list(islice(found, limit))

    def list_oldest(
        self, query: AuditQuery = EVERYTHING, *, after: str | None = None, limit: int
    ) -> list[AuditEvent]:
        """Look through all events."""
        found = (
            event
            for event in self._events()
            if (after is None or event.id > after) and _fits(event, query)
        )
        return list(islice(found, limit))

    def sum_failures(
        self, write: Callable[[FailureCount], Effects], *, before_hour: int, limit: int
    ) -> bool:
        """Replace a slice of the counts under one lock."""
        with self._state.lock:
            counts = self._state.audit.take_counts(before_hour, limit)
            for count in counts:
                self._state.changed(write(count))
            return len(counts) == limit

    def sweep(self, *, at_before: float, limit: int) -> bool:
        """Delete a slice under one lock."""
        with self._state.lock:
            return self._state.audit.sweep(at_before, limit) == limit

    def _events(self) -> list[AuditEvent]:
        """Return all events as they stand, oldest first."""
        with self._state.lock:
            return list(self._state.audit.events)


def _fits(event: AuditEvent, query: AuditQuery) -> bool:
    return (
        (query.user is None or query.user in {event.actor, event.subject})
        and (query.subject is None or event.subject == query.subject)
        and (query.event is None or event.event == query.event)
        and (query.since is None or event.id >= time_ordered_id(query.since, 0))
    )
