"""The audit trail: its housekeeping, and what users see of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from falcon_auth.accounts.own_account import Section
from falcon_auth.api.views import show_event
from falcon_auth.audit.reading import AuditReading
from falcon_auth.audit.trail import Trail
from falcon_auth.audit.upkeep import AuditUpkeep
from falcon_auth.housekeeping import Chore
from falcon_auth.models import User
from falcon_auth.service.service import Clock
from falcon_auth.settings import Settings
from falcon_auth.store import AuditStore

EXPORTED = 200  # Events in `GET account`; the rest is at `GET activity`.


def activity_section(reading: AuditReading) -> Mapping[str, Section]:
    """Return what `GET account` shows of a user's own events."""

    def show(user: User) -> list[object]:
        return [show_event(each) for each in reading.find_activity(user.id, limit=EXPORTED).events]

    return {"activity": show}


def audit_chores(
    settings: Settings, store: AuditStore, trail: Trail, clock: Clock
) -> Sequence[Chore]:
    """Return the trail's work for housekeeping."""
    days = settings.audit_retention_days
    upkeep = AuditUpkeep(store, trail, clock=clock, retention_days=days)
    return (upkeep.sum_failures, upkeep.sweep)
