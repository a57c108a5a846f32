"""The audit trail in a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Executable, Select, bindparam, delete, select, text, union

from falcon_auth.models import AuditEvent, Effects, Failure, FailureCount, time_ordered_id
from falcon_auth.store import AuditQuery
from falcon_auth.store.audit import EVERYTHING
from falcon_auth.stores.sql.audit_chain import sweep_links
from falcon_auth.stores.sql.audit_tables import audit_erasures, audit_events, audit_failures
from falcon_auth.stores.sql.audit_writing import (
    SHARE,
    count_failure,
    erase_clients_of,
    insert_events,
)
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.effects import write_effects
from falcon_auth.stores.sql.rows import valid_id
from falcon_auth.stores.sql.sweeping import may_sweep

_FIELDS = [field.name for field in fields(AuditEvent)]
_COLUMNS = [audit_events.c[name] for name in _FIELDS]


class SqlAudit:
    """An `AuditStore` in one table, and another one for the shares of failures."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.count = 0  # When they were last counted.

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Insert them in one transaction."""
        with self._database.transaction() as connection:
            insert_events(connection, events)

    def append_failure(self, failure: Failure) -> bool:
        """Count it, and insert it or count it again, in one transaction."""
        with self._database.transaction() as connection:
            kept = count_failure(connection, failure)
            insert_events(connection, [failure.event] if kept else [])
            return kept

    def list_newest(
        self, query: AuditQuery = EVERYTHING, *, before: str | None = None, limit: int
    ) -> list[AuditEvent]:
        """Read backwards by an index whose order is time."""
        older = [] if before is None else [audit_events.c.id < valid_id(before)]
        return self._read(query, older, newest=True, limit=limit)

    def list_oldest(
        self, query: AuditQuery = EVERYTHING, *, after: str | None = None, limit: int
    ) -> list[AuditEvent]:
        """Read by an index whose order is time."""
        newer = [] if after is None else [audit_events.c.id > valid_id(after)]
        return self._read(query, newer, newest=False, limit=limit)

    def sum_failures(
        self, write: Callable[[FailureCount], Effects], *, before_hour: int, limit: int
    ) -> bool:
        """Lock a slice of the counts, write their events and delete them, in one transaction."""
        with self._database.transaction() as connection:
            values = {"before": before_hour, "slice": limit}
            rows = connection.execute(_COUNTED, values).all()
            for row in rows:
                if row.event != SHARE:
                    count = FailureCount(
                        event=row.event,
                        hour=row.hour,
                        subject=row.subject,
                        ip=row.ip,
                        count=row.hits,
                    )
                    write_effects(connection, write(count))
            if rows:
                connection.execute(
                    _FORGET_COUNT,
                    [
                        {"of_hour": row.hour, "of_key": row.key, "of_event": row.event}
                        for row in rows
                    ],
                )
            return len(rows) == limit

    def sweep(self, *, at_before: float, limit: int) -> bool:
        """Delete a slice by the primary key; of several processes one sweeps at a time.

        Of the chain, a slice of its oldest events, in its order.
        """
        with self._database.transaction() as connection:
            if not may_sweep(connection):
                return False
            first = time_ordered_id(at_before, 0)
            swept = sweep_links(connection, first, limit)
            swept += connection.execute(_SWEEP, {"first": first, "slice": limit - swept}).rowcount
            return swept == limit

    def erase(self) -> bool:
        """Go on with blanking what deletions left over; return whether there may be more."""
        with self._database.transaction() as connection:
            user_id = connection.scalar(_ERASURE)
            if user_id is None:
                return False
            if erase_clients_of(connection, user_id):
                connection.execute(_ERASED, {"of_user": user_id})
            return True

    def recount(self) -> bool:
        """Update `count`; return False: as a chore of housekeeping, it is done.

        On PostgreSQL it is the planner's estimate, on SQLite the distance of the first row to the
        last: counting would read all of the table.
        """
        row = self._database.one(_TOTAL[self._database.kind], {})
        self.count = max(0, row[0] or 0) if row else 0
        return False

    def _read(
        self, query: AuditQuery, conditions: list[Any], *, newest: bool, limit: int
    ) -> list[AuditEvent]:
        """Read a page; *conditions* are those on the id."""
        if query.subject is not None:
            conditions.append(audit_events.c.subject == valid_id(query.subject))
        if query.event is not None:
            conditions.append(audit_events.c.event == query.event)
        if query.since is not None:
            conditions.append(audit_events.c.id >= time_ordered_id(query.since, 0))

        def page(*more: Any) -> Select[Any]:
            found = select(*_COLUMNS).where(*conditions, *more)
            return _ordered(found, audit_events.c.id, newest=newest, limit=limit)

        statement = page()
        if query.user is not None:
            # A page by each of two indexes: a condition with OR would use neither.
            done_to = page(audit_events.c.subject == valid_id(query.user)).subquery()
            done_by = page(audit_events.c.actor == query.user).subquery()
            both = union(select(done_to), select(done_by)).subquery()
            statement = _ordered(select(both), both.c.id, newest=newest, limit=limit)
        return [
            AuditEvent(**dict(zip(_FIELDS, row, strict=True)))
            for row in self._database.all(statement, {})
        ]


def _ordered(found: Select[Any], by: Any, *, newest: bool, limit: int) -> Select[Any]:
    return found.order_by(by.desc() if newest else by.asc()).limit(limit)


# --- Statements, built once

_COUNTED = (
    select(audit_failures)
    .where(audit_failures.c.hour < bindparam("before"))
    .order_by(audit_failures.c.hour, audit_failures.c.key, audit_failures.c.event)
    .limit(bindparam("slice"))
    .with_for_update(skip_locked=True)
)
_FORGET_COUNT = delete(audit_failures).where(
    audit_failures.c.hour == bindparam("of_hour"),
    audit_failures.c.key == bindparam("of_key"),
    audit_failures.c.event == bindparam("of_event"),
)
_SWEEP = delete(audit_events).where(
    audit_events.c.id.in_(
        select(audit_events.c.id)
        .where(
            audit_events.c.id < bindparam("first", type_=audit_events.c.id.type),
            audit_events.c.position.is_(None),
        )
        .order_by(audit_events.c.id)
        .limit(bindparam("slice"))
    )
)
_ERASURE = select(audit_erasures.c.user_id).limit(1).with_for_update(skip_locked=True)
_ERASED = delete(audit_erasures).where(audit_erasures.c.user_id == bindparam("of_user"))
_TOTAL: dict[str, Executable] = {
    "sqlite": text("SELECT max(rowid) - min(rowid) + 1 FROM audit_events"),
    "postgresql": text(
        "SELECT reltuples::bigint FROM pg_class WHERE oid = 'audit_events'::regclass"
    ),
}
