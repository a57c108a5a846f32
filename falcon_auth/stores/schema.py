"""The tables. The migrations make them; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    inspect,
    text,
)

# The migrations, oldest first; a database must be at the last one to be served.
REVISIONS = ("0001", "0002")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
    }
)

# Texts have no lengths: the domain bounds every one of them, and SQLite would not look at it.
# Times are epoch seconds as the records have them: nothing is lost between stores.

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
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("last_login_at", Double),
    Index("users_email_key_idx", "email_key", unique=True),
    Index("users_username_key_idx", "username_key", unique=True),
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
    Column("user_agent", Text),
    Column("ip", Text),
    # The live ones of a user: at most SESSIONS_PER_USER, so their order needs no index.
    Index(
        "sessions_live_idx",
        _session_user,
        postgresql_where=_ended_at.is_(None),
        sqlite_where=_ended_at.is_(None),
    ),
    # What the sweep looks for.
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


def current_revision(engine: Engine) -> str | None:
    """Return the version of the tables; None where there are none yet."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision
