"""Read the audit trail: all of it, for those who may, and one's own activity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, get_args

from falcon_auth.audit.trail import AuditWord
from falcon_auth.errors import InvalidBodyError, Violation
from falcon_auth.models import AuditEvent
from falcon_auth.store import AuditQuery, AuditStore

PAGE = 50
WORDS: frozenset[str] = frozenset(get_args(AuditWord))
NO_SUCH_EVENT = "Is not an event of the audit trail."
NO_TIME = "Must be a time of RFC 3339, with its zone."


class AuditPage(NamedTuple):
    """Events, newest first, and what to give as *after* for the next page; None if it is empty."""

    events: Sequence[AuditEvent]
    next: str | None


class AuditReading:
    """The use cases of reading the trail. Safe to call from any thread.

    *after* is `AuditPage.next` of the page before: events that are added meanwhile shift nothing.
    Every method raises `StoreUnavailableError` if the store cannot answer.
    """

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    def find_page(
        self,
        *,
        user: str | None = None,
        event: str | None = None,
        since: str | None = None,
        after: str | None = None,
        limit: int = PAGE,
    ) -> AuditPage:
        """Return events by or about *user*, of one kind, and not before *since* (RFC 3339).

        Raises `InvalidBodyError` for an event that there is not, and for what is not a time.
        """
        query = parse_query(user=user, event=event, since=since)
        return self._page(query, after, limit)

    def find_activity(
        self, user_id: str, *, after: str | None = None, limit: int = PAGE
    ) -> AuditPage:
        """Return what happened to a user, for that user's own eyes.

        Where somebody else acted, an administrator say, their client and request are left out.
        """
        page = self._page(AuditQuery(subject=user_id), after, limit)
        return page._replace(events=[_for_subject(each) for each in page.events])

    def _page(self, query: AuditQuery, after: str | None, limit: int) -> AuditPage:
        found = self._store.list_newest(query, before=after, limit=limit + 1)
        return AuditPage(found[:limit], found[limit - 1].id if len(found) > limit else None)


def parse_query(
    *, user: str | None = None, event: str | None = None, since: str | None = None
) -> AuditQuery:
    """Return a query. Raises as `AuditReading.find_page` does."""
    violations = []
    if event is not None and event not in WORDS:
        violations.append(Violation("/event", InvalidBodyError.code, NO_SUCH_EVENT))
    began = None
    if since is not None:
        try:
            moment = datetime.fromisoformat(since)
            began = moment.timestamp() if moment.tzinfo else None
        except (ValueError, OverflowError):
            began = None
        if began is None or began < 0:
            violations.append(Violation("/since", InvalidBodyError.code, NO_TIME))
    if violations:
        raise InvalidBodyError(violations)
    return AuditQuery(user=user, event=event, since=began)


def _for_subject(event: AuditEvent) -> AuditEvent:
    if event.actor in {None, event.subject}:
        return event
    return replace(event, ip=None, user_agent=None, request_id=None)
