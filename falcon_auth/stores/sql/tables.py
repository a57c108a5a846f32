"""The tables. The migrations create them; a test compares the two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Double,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    false,
    inspect,
    text,
)

# The migrations, oldest first; the service requires the last one.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
SEARCH_INDEX = "users_search_idx"  # In no model: not every PostgreSQL has it, see the migration.

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
    }
)


class Words(TypeDecorator[tuple[str, ...]]):
    """A tuple of words without spaces, stored as one text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, _dialect: Dialect) -> str | None:
        """Write the words."""
        return None if value is None else " ".join(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> tuple[str, ...]:
        """Read them."""
        return tuple((value or "").split())


class Members(TypeDecorator[dict[str, Any]]):
    """The members of a JSON object, stored as text, which can represent any character."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, _dialect: Dialect) -> str | None:
        """Encode in ASCII: PostgreSQL refuses NUL, even as an escape in jsonb."""
        return None if value is None else json.dumps(dict(value), separators=(",", ":"))

    def process_result_value(self, value: str | None, _dialect: Dialect) -> dict[str, Any]:
        """Read it."""
        members: dict[str, Any] = json.loads(value or "{}")
        return members


# Texts have no length limits here: the domain bounds them all, and SQLite ignores such limits.
# Times are epoch seconds, as in the records, so that no store loses precision.

users = Table(
    "users",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False),
    Column("username", Text),
    Column("username_key", Text),
    Column("password_hash", Text, nullable=False),
    Column("password_version", Integer, nullable=False),
    Column("email_version", Integer, nullable=False, server_default=text("0")),
    Column("email_verified", Boolean, nullable=False, server_default=false()),
    Column("factor_count", Integer, nullable=False, server_default=text("0")),
    Column("factors_version", Integer, nullable=False, server_default=text("0")),
    Column("is_active", Boolean, nullable=False),
    # False where there are none, so that no request looks for them; true also where the last one
    # went with its definition.
    Column("has_roles", Boolean, nullable=False, server_default=false()),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("last_login_at", Double),
    Index("users_email_key_idx", "email_key", unique=True),
    Index("users_username_key_idx", "username_key", unique=True),
    # The order of the directory.
    Index("users_created_at_idx", "created_at", "id"),
)

_session_user = Column("user_id", Uuid(as_uuid=False), ForeignKey("users.id"), nullable=False)
_expires_at = Column("expires_at", Double, nullable=False)
_ended_at = Column("ended_at", Double)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    _session_user,
    Column("generation", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double, nullable=False),
    _expires_at,
    _ended_at,
    Column("auth_time", Double, nullable=False, server_default=text("0")),
    Column("amr", Words, nullable=False, server_default=text("''")),
    Column("user_agent", Text),
    Column("ip", Text),
    # The open sessions of a user: at most SESSIONS_PER_USER, so they need no sorted index.
    Index(
        "sessions_live_idx",
        _session_user,
        postgresql_where=_ended_at.is_(None),
        sqlite_where=_ended_at.is_(None),
    ),
    # For sweeping.
    Index("sessions_expires_at_idx", _expires_at),
    Index(
        "sessions_ended_at_idx",
        _ended_at,
        postgresql_where=_ended_at.is_not(None),
        sqlite_where=_ended_at.is_not(None),
    ),
)

counters = Table(
    "counters",
    metadata,
    Column("key", Text, primary_key=True),
    Column("hits", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ends_at", Double, nullable=False),
    Index("counters_ends_at_idx", "ends_at"),
)

_message_user = Column("user_id", Uuid(as_uuid=False))
_channel = Column("channel", Text, nullable=False)
_position = Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
_due_at = Column("due_at", Double, nullable=False)
_failed_at = Column("failed_at", Double)

outbox = Table(
    "outbox",
    metadata,
    _position,
    Column("id", Uuid(as_uuid=False), nullable=False),
    _channel,
    Column("topic", Text, nullable=False),
    _message_user,
    Column("payload", Members, nullable=False),
    Column("created_at", Double, nullable=False),
    _due_at,
    Column("attempts", Integer, nullable=False),
    _failed_at,
    Column("error", Text),
    Index("outbox_id_idx", "id", unique=True),
    # For workers: which messages are due, and whether an older one of the same user is waiting.
    Index(
        "outbox_due_idx",
        _channel,
        _due_at,
        postgresql_where=_failed_at.is_(None),
        sqlite_where=_failed_at.is_(None),
    ),
    Index(
        "outbox_queue_idx",
        _message_user,
        _channel,
        _position,
        postgresql_where=_failed_at.is_(None),
        sqlite_where=_failed_at.is_(None),
    ),
    Index(
        "outbox_failed_at_idx",
        _failed_at,
        postgresql_where=_failed_at.is_not(None),
        sqlite_where=_failed_at.is_not(None),
    ),
    sqlite_autoincrement=True,  # Otherwise positions are reused once the newest row is deleted.
)


def current_revision(engine: Engine) -> str | None:
    """Return the version of the tables; None if there are none."""
    with engine.connect() as connection:
        return read_revision(connection)


def read_revision(connection: Connection) -> str | None:
    """Return the version of the tables as this transaction sees them; None if there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
