"""The audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from falcon_auth.models import AuditEvent


class AuditStore(Protocol):
    """The audit trail: append only."""

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Append events without a change of another record, such as failed log-ins."""

    def list_newest(self, *, limit: int) -> list[AuditEvent]:
        """Return up to *limit* events, newest first."""
