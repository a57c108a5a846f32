"""The table of identities."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, Table, Text, Uuid

from falcon_auth.stores.sql.tables import metadata

identities = Table(
    "identities",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column(
        "user_id",
        Uuid(as_uuid=False),
        ForeignKey("users.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("provider", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("email", Text),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    Index("identities_subject_idx", "issuer", "subject", unique=True),
)
