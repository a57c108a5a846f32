"""Add the hash chain of the audit trail, which AUDIT_CHAIN switches on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_COLUMNS = ("previous", "digest", "salt", "client")


def upgrade() -> None:
    """Add columns that are null, which rewrites no table, and an index of no row as yet."""
    op.add_column("audit_events", sa.Column("position", sa.BigInteger))
    for name in _COLUMNS:
        op.add_column("audit_events", sa.Column(name, sa.LargeBinary))
    op.create_index(
        "audit_events_position_idx",
        "audit_events",
        ["position"],
        unique=True,
        postgresql_where=sa.text("position IS NOT NULL"),
        sqlite_where=sa.text("position IS NOT NULL"),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("swept_to", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="audit_head_pkey"),
    )
    op.bulk_insert(head, [{"id": 1, "position": 0, "digest": b"", "swept_to": 0}])


def downgrade() -> None:
    """Forget the chain; the events stay."""
    op.drop_table("audit_head")
    op.drop_index("audit_events_position_idx", "audit_events")
    for name in (*_COLUMNS, "position"):
        op.drop_column("audit_events", name)
