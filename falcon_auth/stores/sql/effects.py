"""Writes the effects of a change, audit events and messages, in its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from uuid import UUID

import structlog
from sqlalchemy import Connection, Integer, bindparam, cast, func, literal_column, select

from falcon_auth.models import Effects, Message
from falcon_auth.store.outbox import room_for
from falcon_auth.stores.sql.audit_writing import count_failure, insert_events
from falcon_auth.stores.sql.tables import outbox

OUTBOX_LOCK = 0x6F757462  # PostgreSQL's advisory locks are numbers that applications choose.

log = structlog.get_logger("falcon_auth.outbox")


def write_effects(connection: Connection, effects: Effects) -> None:
    """Write the effects as the last step of the caller's transaction.

    Runs no statement if there are none.
    """
    kept = [each.event for each in effects.failures if count_failure(connection, each)]
    if effects.messages:
        if connection.dialect.name == "postgresql":
            _wait_for_turn(connection, effects.messages)
        for message in effects.messages:
            values = asdict(message) | {"room": room_for(message)}
            if not connection.execute(_INSERT, values).all():
                log.error("message_dropped", channel=message.channel, topic=message.topic)
    # Last, since the end of the chain is locked for everybody.
    insert_events(connection, [*effects.events, *kept])


def _wait_for_turn(connection: Connection, messages: Sequence[Message]) -> None:
    """Let only one transaction at a time write messages of a user, until it commits.

    A message's position is assigned when it is inserted; without this lock, a later message could
    become visible, and be delivered, before an earlier one. The user's row cannot serve as the
    lock: a transaction that already holds a session's row would deadlock with those that lock the
    user first.
    """
    users = {message.user_id for message in messages if message.user_id is not None}
    for number in sorted(UUID(user_id).int >> 97 for user_id in users):  # 31 bits of them.
        connection.execute(_LOCK, {"number": number})


_LOCK = select(
    func.pg_advisory_xact_lock(
        literal_column(str(OUTBOX_LOCK), Integer), cast(bindparam("number"), Integer)
    )
)
_COLUMNS = [outbox.c[field.name] for field in fields(Message)]
_same_user = outbox.alias()
_waiting = (
    select(literal_column("1"))
    .where(
        _same_user.c.user_id == bindparam("user_id", type_=outbox.c.user_id.type),
        _same_user.c.channel == bindparam("channel"),
        _same_user.c.failed_at.is_(None),
    )
    .limit(bindparam("room", type_=Integer))
    .subquery()
)
_INSERT = (
    outbox.insert()
    .from_select(
        [column.name for column in _COLUMNS],
        select(
            *(cast(bindparam(column.name, type_=column.type), column.type) for column in _COLUMNS)
        ).where(
            select(func.count()).select_from(_waiting).scalar_subquery()
            < bindparam("room", type_=Integer)
        ),
    )
    .returning(outbox.c.position)
)
