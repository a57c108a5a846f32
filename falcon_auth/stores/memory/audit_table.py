"""The audit trail in memory. Callers hold the store's lock."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter

from falcon_auth.models import AuditEvent, Failure, FailureCount
from falcon_auth.store import FAILURES_PER_HOUR

MAX_EVENTS = 10_000  # The last ones: about 5 MiB.

_by_id = attrgetter("id")


class AuditTable:
    """The last events, oldest first, and the failures of each hour."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        # Of an account or client, by the hour.
        self._shares: dict[int, dict[str, int]] = {}
        self._counts: dict[int, dict[tuple[str, str], FailureCount]] = {}

    def extend(self, events: Iterable[AuditEvent]) -> None:
        """Add events; beyond the bound, the oldest are dropped."""
        for event in events:
            insort(self.events, event, key=_by_id)
        del self.events[: max(0, len(self.events) - MAX_EVENTS)]

    def add_failure(self, failure: Failure) -> bool:
        """Add a failure's event, or count it where a share is used up; return which."""
        account, client = f"account/{failure.account}", f"client/{failure.client}"
        shares = self._shares.setdefault(failure.hour, {})
        for key in (account, client):
            shares[key] = shares.get(key, 0) + 1
        if max(shares[account], shares[client]) <= FAILURES_PER_HOUR:
            self.extend([failure.event])
            return True
        is_accounts = shares[account] > FAILURES_PER_HOUR
        counts = self._counts.setdefault(failure.hour, {})
        of = (account if is_accounts else client, failure.event.event)
        before = counts.get(of)
        counts[of] = FailureCount(
            event=failure.event.event,
            hour=failure.hour,
            subject=failure.event.subject if is_accounts else None,
            ip=None if is_accounts else failure.client,
            count=1 if before is None else before.count + 1,
        )
        return False

    def take_counts(self, before_hour: int, limit: int) -> list[FailureCount]:
        """Forget the shares of the hours before that one; take up to *limit* of their counts."""
        for hour in [hour for hour in self._shares if hour < before_hour]:
            del self._shares[hour]
        taken: list[FailureCount] = []
        for hour in [hour for hour in self._counts if hour < before_hour]:
            counts = self._counts[hour]
            while counts and len(taken) < limit:
                taken.append(counts.popitem()[1])
            if not counts:
                del self._counts[hour]
        return taken

    def sweep(self, at_before: float, limit: int) -> int:
        """Forget up to *limit* of the oldest events, where they are older than that; count them."""
        old = 0
        while old < min(limit, len(self.events)) and self.events[old].at < at_before:
            old += 1
        del self.events[:old]
        return old

    def erase_clients_of(self, user_id: str) -> None:
        """Blank addresses and browsers in a deleted user's events: not those of others."""
        for index, event in enumerate(self.events):
            is_own = event.subject == user_id and event.actor is None
            if is_own or event.actor == user_id:
                self.events[index] = replace(event, ip=None, user_agent=None)
