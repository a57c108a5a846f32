"""The audit trail in a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import bindparam, select

from falcon_auth.models import AuditEvent, Effects
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.effects import write_effects
from falcon_auth.stores.sql.tables import audit_events

_FIELDS = [field.name for field in fields(AuditEvent)]


class SqlAudit:
    """An `AuditStore` in one table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Insert them in one transaction."""
        with self._database.transaction() as connection:
            write_effects(connection, Effects(events=tuple(events)))

    def list_newest(self, *, limit: int) -> list[AuditEvent]:
        """Read backwards by the primary key, whose order is time."""
        rows = self._database.all(_NEWEST, {"page": limit})
        return [AuditEvent(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


_NEWEST = (
    select(*(audit_events.c[name] for name in _FIELDS))
    .order_by(audit_events.c.id.desc())
    .limit(bindparam("page"))
)
