"""The audit trail: for administrators, and one's own activity."""

from __future__ import annotations

from typing import Any

from falcon import Request, Response

from falcon_auth.access.scopes import AUDIT_READ
from falcon_auth.api.guard import requires
from falcon_auth.api.queries import QueryReader
from falcon_auth.api.views import show_event
from falcon_auth.audit.reading import AuditPage, AuditReading


@requires(AUDIT_READ, recent=True)
class AuditTrail:
    """All events."""

    def __init__(self, reading: AuditReading) -> None:
        self._reading = reading
        self._query = QueryReader("audit_query")

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with a page of events, newest first."""
        resp.media = _show(self._reading.find_page(**self._query.read_query(req)))


class Activity:
    """The caller's own events."""

    def __init__(self, reading: AuditReading) -> None:
        self._reading = reading
        self._query = QueryReader("activity_query")

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with a page of events, newest first."""
        query = self._query.read_query(req)
        resp.media = _show(self._reading.find_activity(req.context.caller.user_id, **query))


def _show(page: AuditPage) -> dict[str, Any]:
    return {"events": [show_event(each) for each in page.events], "next": page.next}
