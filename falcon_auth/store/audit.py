"""The audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from falcon_auth.models import AuditEvent, Effects, Failure, FailureCount

FAILURES_PER_HOUR = 60  # Of one account, and of one client, that are kept one by one.


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which events to list; None stands for no condition."""

    user: str | None = None  # Who did it, or to whom it was done.
    subject: str | None = None  # To whom it was done.
    event: str | None = None
    since: float | None = None  # Epoch seconds: then or later, to the millisecond.


EVERYTHING = AuditQuery()


class AuditStore(Protocol):
    """The audit trail: append only. What changes add to it are effects of their methods.

    The order of events is that of their ids, which are UUIDs of version 7.
    """

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Append events without a change of another record."""

    def append_failure(self, failure: Failure) -> bool:
        """Remember a refused attempt; return whether it is kept, or else was counted.

        Of each account, and of each client, the first `FAILURES_PER_HOUR` failures of an hour are
        kept, whichever process they are told by. One that exceeds the account's share is counted
        there, else with the client. Whatever happens, the same statements are run for accounts
        that exist and those that do not.
        """

    def list_newest(
        self, query: AuditQuery = EVERYTHING, *, before: str | None = None, limit: int
    ) -> list[AuditEvent]:
        """Return up to *limit* events, newest first; only those older than the id *before*."""

    def list_oldest(
        self, query: AuditQuery = EVERYTHING, *, after: str | None = None, limit: int
    ) -> list[AuditEvent]:
        """Return up to *limit* events, oldest first; only those newer than the id *after*."""

    def sum_failures(
        self, write: Callable[[FailureCount], Effects], *, before_hour: int, limit: int
    ) -> bool:
        """Replace what was counted before that hour with the events that *write* makes of it.

        Forgets the shares of those hours, about *limit* of them, in one step with the events. Of
        several processes, one does so. Returns whether there may be more.
        """

    @property
    def count(self) -> int:
        """How many events there are. Fast, and possibly a little out of date."""

    def sweep(self, *, at_before: float, limit: int) -> bool:
        """Forget up to *limit* events older than that; return whether there may be more.

        Of the hash chain, the oldest in its order, so that what is kept can be verified.
        """
