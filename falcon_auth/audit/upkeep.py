"""Housekeeping of the audit trail: sum up what was counted, forget what is old."""

from __future__ import annotations

from collections.abc import Callable

from falcon_auth.audit.trail import HOUR, Trail
from falcon_auth.store import AuditStore

DAY = 24 * HOUR
SLICE = 200  # Rows written or deleted in one step: some ten milliseconds of the store.
GRACE_SECONDS = 60  # After an hour's end, for transactions and clocks that are a little late.


class AuditUpkeep:
    """The chores of housekeeping. *clock* gives epoch seconds."""

    def __init__(
        self, store: AuditStore, trail: Trail, *, clock: Callable[[], float], retention_days: int
    ) -> None:
        self._store = store
        self._trail = trail
        self._clock = clock
        self._retention_seconds = retention_days * DAY

    def sum_failures(self) -> bool:
        """Write what was counted in hours that are over; return whether there may be more."""
        hour = int((self._clock() - GRACE_SECONDS) // HOUR)
        return self._store.sum_failures(self._trail.sum_of, before_hour=hour, limit=SLICE)

    def sweep(self) -> bool:
        """Delete some of the events whose time is over; return whether there may be more."""
        return self._store.sweep(at_before=self._clock() - self._retention_seconds, limit=SLICE)
