"""Create the counters of attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table; on PostgreSQL it is unlogged, because a crash may lose recent attempts."""
    unlogged = op.get_context().dialect.name == "postgresql"
    op.create_table(
        "counters",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("key", name="counters_pkey"),
        prefixes=["UNLOGGED"] if unlogged else [],
    )
    op.create_index("counters_ends_at_idx", "counters", ["ends_at"])


def downgrade() -> None:
    """Drop the counters."""
    op.drop_table("counters")
