"""The outbox in a database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, select, update

from falcon_auth.models import Effects, Message
from falcon_auth.store import OutboxCount
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.effects import write_effects
from falcon_auth.stores.sql.rows import valid_id
from falcon_auth.stores.sql.tables import outbox

_FIELDS = [field.name for field in fields(Message)]
_COLUMNS = [outbox.c[name] for name in _FIELDS]


class SqlOutbox:
    """An `OutboxStore` in one table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, messages: Sequence[Message]) -> None:
        """Insert them in one transaction."""
        with self._database.transaction() as connection:
            write_effects(connection, Effects(messages=tuple(messages)))

    def lease(self, channel: str, *, now: float, until: float) -> Message | None:
        """Check without a lock whether a message is due; if so, update one row conditionally."""
        values = {"of_channel": channel, "now": now}
        if self._database.one(_IS_DUE, values) is None:
            return None
        rows = self._database.all(_LEASE, values | {"until": until}, writes=True)
        return _to_message(rows[0]) if rows else None

    def remove_delivered(self, leased: Message) -> bool:
        """Delete conditionally."""
        return self._database.change(_REMOVE, _lease_of(leased)) == 1

    def postpone(self, leased: Message, *, due_at: float, error: str) -> bool:
        """Update under conditions."""
        values = {"new_due_at": due_at, "new_error": error}
        return self._database.change(_POSTPONE, _lease_of(leased) | values) == 1

    def give_up(self, leased: Message, *, now: float, error: str) -> bool:
        """Update under conditions."""
        values = {"now": now, "new_error": error}
        return self._database.change(_GIVE_UP, _lease_of(leased) | values) == 1

    def retry(self, message_ids: Collection[str] | None, *, now: float) -> int:
        """Update those rows in one statement."""
        if message_ids is None:
            return self._database.change(_RETRY, {"now": now})
        ids = [valid_id(each) for each in message_ids]
        return self._database.change(_RETRY_SOME, {"now": now, "ids": ids})

    def list_waiting(self, *, limit: int) -> list[Message]:
        """Read by the primary key."""
        rows = self._database.all(_WAITING, {"page": limit})
        return [_to_message(row) for row in rows]

    def list_failed(self, *, limit: int) -> list[Message]:
        """Read by the primary key."""
        rows = self._database.all(_FAILED, {"page": limit})
        return [_to_message(row) for row in rows]

    def counts(self) -> list[OutboxCount]:
        """Count all rows; delivered messages are not in the table."""
        rows = self._database.all(_COUNTS, {})
        return [_to_count(row) for row in rows]

    def sweep_failed(self, *, failed_before: float) -> int:
        """Delete by the index of failed messages."""
        return self._database.change(_SWEEP, {"failed_before": failed_before})


def _to_message(row: Any) -> Message:
    return Message(**dict(zip(_FIELDS, row, strict=True)))


def _to_count(row: Any) -> OutboxCount:
    return OutboxCount(*row)


def _lease_of(leased: Message) -> dict[str, Any]:
    return {
        "of_id": leased.id,
        "of_attempts": leased.attempts,
        "of_due_at": leased.due_at,
    }


# --- Statements, built once

_waits = outbox.c.failed_at.is_(None)
_due = outbox.alias("due")
_is_due = (
    _due.c.channel == bindparam("of_channel"),
    _due.c.failed_at.is_(None),
    _due.c.due_at <= bindparam("now"),
)
_IS_DUE = select(_due.c.position).where(*_is_due).limit(1)
_older = outbox.alias("older")
_has_older = exists().where(
    _older.c.user_id == _due.c.user_id,  # Never true for messages without a user.
    _older.c.channel == _due.c.channel,
    _older.c.failed_at.is_(None),
    _older.c.position < _due.c.position,
)
_head = (
    select(_due.c.position)
    .where(*_is_due, ~_has_older)
    .order_by(_due.c.due_at, _due.c.position)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_LEASE = (
    update(outbox)
    .where(outbox.c.position == _head.scalar_subquery())
    .values(due_at=bindparam("until"), attempts=outbox.c.attempts + 1)
    .returning(*_COLUMNS)
)
# If a lease expired and the message was leased again, both values differ.
_this_lease = (
    outbox.c.id == bindparam("of_id"),
    outbox.c.attempts == bindparam("of_attempts"),
    outbox.c.due_at == bindparam("of_due_at"),
    _waits,
)
_REMOVE = delete(outbox).where(*_this_lease)
_POSTPONE = (
    update(outbox)
    .where(*_this_lease)
    .values(due_at=bindparam("new_due_at"), error=bindparam("new_error"))
)
_GIVE_UP = (
    update(outbox)
    .where(*_this_lease)
    .values(failed_at=bindparam("now"), error=bindparam("new_error"))
)
_RETRY = update(outbox).where(~_waits).values(failed_at=None, attempts=0, due_at=bindparam("now"))
_RETRY_SOME = _RETRY.where(outbox.c.id.in_(bindparam("ids", expanding=True)))
_WAITING = select(*_COLUMNS).where(_waits).order_by(outbox.c.position).limit(bindparam("page"))
_FAILED = select(*_COLUMNS).where(~_waits).order_by(outbox.c.position).limit(bindparam("page"))
_COUNTS = (
    select(
        outbox.c.channel,
        func.count().filter(_waits),
        func.count(outbox.c.failed_at),
        func.min(outbox.c.created_at).filter(_waits),
    )
    .group_by(outbox.c.channel)
    .order_by(outbox.c.channel)
)
_SWEEP = delete(outbox).where(outbox.c.failed_at < bindparam("failed_before"))
