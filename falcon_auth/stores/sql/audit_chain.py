"""The hash chain of the audit trail in a database."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    and_,
    bindparam,
    cast,
    delete,
    select,
    type_coerce,
    update,
)
from sqlalchemy.types import NullType

from falcon_auth.models import AuditEvent
from falcon_auth.store.audit_chain import SALT_BYTES, ChainHead, Link, link
from falcon_auth.stores.sql.audit_tables import audit_events, audit_head
from falcon_auth.stores.sql.database import Database

CHAINED = "falcon_auth_chained"  # The execution option of connections that write the chain.

_LINK_FIELDS = [field.name for field in fields(Link)]
_EVENT_FIELDS = [field.name for field in fields(AuditEvent)]


class SqlAuditChain:
    """An `AuditChain`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_head(self) -> ChainHead:
        """Read one row."""
        return _to_head(self._database.one(_HEAD, {}))

    def list_linked(self, *, after: int, limit: int) -> list[tuple[AuditEvent, Link]]:
        """Read by the index on the position."""
        rows = self._database.all(_LINKED, {"after": after, "page": limit})
        return [(_to_event(row), _to_link(row)) for row in rows]

    def list_ids(self, *, after: str, limit: int) -> list[tuple[str, bool]]:
        """Read by the primary key."""
        rows = self._database.all(_IDS, {"after_id": after, "page": limit})
        return [(row.id, bool(row.linked)) for row in rows]


def append_links(
    connection: Connection, events: Sequence[AuditEvent], rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the events' *rows* with their links, having moved the end of the chain.

    It stays locked until the transaction ends, so that the order of the chain is that of commits.
    """
    head = _to_head(connection.execute(_LOCK_HEAD).first())
    linked = []
    for event, row in zip(events, rows, strict=True):
        made = link(event, head, secrets.token_bytes(SALT_BYTES))
        head = ChainHead(position=made.position, digest=made.digest)
        linked.append(row | asdict(made))
    connection.execute(_MOVE_HEAD, {"new_position": head.position, "new_digest": head.digest})
    return linked


def sweep_links(connection: Connection, first: str, limit: int) -> int:
    """Delete up to *limit* of the oldest events of the chain, whose ids are before *first*.

    Returns how many. An event that is younger keeps those after it, even older ones, until its own
    time is over.
    """
    oldest = connection.execute(_OLDEST, {"page": limit}).all()
    if not oldest or oldest[0].id >= first:
        return 0
    connection.execute(_LOCK_HEAD)  # Before the events: a deletion holds it when it blanks them.
    old = list(takewhile(lambda row: row.id < first, oldest))
    connection.execute(_SWEEP, {"until": old[-1].position})
    connection.execute(_MOVE_START, {"until": old[-1].position})
    return len(old)


def _to_head(row: Row[Any] | None) -> ChainHead:
    if row is None:  # pragma: no cover - the migration has made it
        return ChainHead()
    return ChainHead(position=row.position, digest=row.digest, swept_to=row.swept_to)


def _to_link(row: Row[Any]) -> Link:
    return Link(**{name: getattr(row, name) for name in _LINK_FIELDS})


def _to_event(row: Row[Any]) -> AuditEvent:
    """Return the event of a row, whatever somebody has written in it."""
    values = {name: getattr(row, name) for name in _EVENT_FIELDS}
    for name in ("id", "subject"):
        values[name] = _to_id(values[name])
    try:
        values["details"] = json.loads(values["details"])
    except ValueError:
        values["details"] = {"unreadable": True}
    return AuditEvent(**values)


def _to_id(value: object) -> str | None:
    try:
        return None if value is None else str(UUID(str(value)))
    except ValueError:
        return str(value)


# --- Statements, built once

_position = audit_events.c.position
_is_linked = and_(_position.is_not(None), _position >= 1, _position == cast(_position, BigInteger))
_HEAD = select(audit_head)
_LOCK_HEAD = _HEAD.with_for_update()
_MOVE_HEAD = update(audit_head).values(
    position=bindparam("new_position"), digest=bindparam("new_digest")
)
_MOVE_START = update(audit_head).values(swept_to=bindparam("until"))
# As they are stored: a value that does not fit its column, which SQLite allows, is a finding, too.
_LINKED = (
    select(
        *(
            type_coerce(audit_events.c[name], NullType).label(name)
            for name in [*_EVENT_FIELDS, *_LINK_FIELDS]
        )
    )
    .where(_is_linked, _position > bindparam("after"))
    .order_by(_position)
    .limit(bindparam("page"))
)
_IDS = (
    select(audit_events.c.id, _is_linked.label("linked"))
    .where(audit_events.c.id > bindparam("after_id", type_=audit_events.c.id.type))
    .order_by(audit_events.c.id)
    .limit(bindparam("page"))
)
_OLDEST = (
    select(audit_events.c.id, _position)
    .where(_position.is_not(None))
    .order_by(_position)
    .limit(bindparam("page"))
)
_SWEEP = delete(audit_events).where(_position <= bindparam("until"))
