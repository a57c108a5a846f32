"""The tables of second factors."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Table,
    Text,
    Uuid,
    false,
    text,
)

from falcon_auth.stores.sql.tables import Words, metadata

_zero = text("0")

factors = Table(
    "factors",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column(
        "user_id",
        Uuid(as_uuid=False),
        ForeignKey("users.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("confirmed_at", Double),
    Column("last_used_at", Double),
    Column("secret", Text),
    Column("last_step", BigInteger, nullable=False, server_default=_zero),
    Column("credential_id", Text),
    Column("public_key", Text),
    Column("sign_count", BigInteger, nullable=False, server_default=_zero),
    Column("backup_eligible", Boolean, nullable=False, server_default=false()),
    Column("backed_up", Boolean, nullable=False, server_default=false()),
    Column("transports", Words, nullable=False, server_default=text("''")),
    Index("factors_credential_id_idx", "credential_id", unique=True),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column(
        "factor_id",
        Uuid(as_uuid=False),
        ForeignKey("factors.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("code_hash", Text, primary_key=True),
)

spent_challenges = Table(
    "spent_challenges",
    metadata,
    Column("id", Text, primary_key=True),
    Column("expires_at", Double, nullable=False),
    Index("spent_challenges_expires_at_idx", "expires_at"),
)
