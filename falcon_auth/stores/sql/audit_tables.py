"""The tables of the audit trail."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, Table, Text, Uuid

from falcon_auth.stores.sql.tables import Members, metadata

_id = Column("id", Uuid(as_uuid=False), primary_key=True)
_event = Column("event", Text, nullable=False)
_actor = Column("actor", Text)
_subject = Column("subject", Uuid(as_uuid=False))  # No foreign key: the trail outlives the user.
_position = Column("position", BigInteger)

audit_events = Table(
    "audit_events",
    metadata,
    _id,
    Column("at", Double, nullable=False),
    _event,
    Column("outcome", Text, nullable=False),
    _actor,
    _subject,
    Column("ip", Text),
    Column("user_agent", Text),
    Column("request_id", Text),
    Column("details", Members, nullable=False),
    # The hash chain: null in events that were written without AUDIT_CHAIN.
    _position,
    Column("previous", LargeBinary),
    Column("digest", LargeBinary),
    Column("salt", LargeBinary),
    Column("client", LargeBinary),
    Index(
        "audit_events_position_idx",
        _position,
        unique=True,
        postgresql_where=_position.is_not(None),
        sqlite_where=_position.is_not(None),
    ),
    # What is asked for; each in the order of time.
    Index("audit_events_subject_idx", _subject, _id),
    Index("audit_events_actor_idx", _actor, _id),
    Index("audit_events_event_idx", _event, _id),
)

# One row: the end of the chain.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("swept_to", BigInteger, nullable=False),
)

# Of an account or client, and an hour: how many failures there were (the event is empty), and how
# many of each event were counted instead of kept.
audit_failures = Table(
    "audit_failures",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("hits", Integer, nullable=False),
    Column("subject", Uuid(as_uuid=False)),
    Column("ip", Text),
)

# Deleted users of whose events some still have a client's address.
audit_erasures = Table(
    "audit_erasures", metadata, Column("user_id", Uuid(as_uuid=False), primary_key=True)
)
