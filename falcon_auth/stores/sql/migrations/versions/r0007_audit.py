"""Index the audit trail by what is asked of it, and count failures that are not kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_INDEXED = ("subject", "actor", "event")


def upgrade() -> None:
    """Add the indexes. No version before this one writes events, so the table is empty."""
    for name in _INDEXED:
        op.create_index(f"audit_events_{name}_idx", "audit_events", [name, "id"])
    op.create_table(
        "audit_failures",
        sa.Column("hour", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.Column("subject", sa.Uuid),
        sa.Column("ip", sa.Text),
        sa.PrimaryKeyConstraint("hour", "key", "event", name="audit_failures_pkey"),
    )
    op.create_table(
        "audit_erasures",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="audit_erasures_pkey"),
    )


def downgrade() -> None:
    """Forget the counts; the events stay."""
    op.drop_table("audit_erasures")
    op.drop_table("audit_failures")
    for name in _INDEXED:
        op.drop_index(f"audit_events_{name}_idx", "audit_events")
