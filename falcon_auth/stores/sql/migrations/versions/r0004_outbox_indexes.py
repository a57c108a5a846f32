"""Index the outbox for the queries of its workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_WAITS = sa.text("failed_at IS NULL")
_FAILED = sa.text("failed_at IS NOT NULL")


def upgrade() -> None:
    """Add the indexes. No earlier version delivers messages, so the table is small."""
    op.create_index("outbox_id_idx", "outbox", ["id"], unique=True)
    op.create_index(
        "outbox_due_idx",
        "outbox",
        ["channel", "due_at"],
        postgresql_where=_WAITS,
        sqlite_where=_WAITS,
    )
    op.create_index(
        "outbox_queue_idx",
        "outbox",
        ["user_id", "channel", "position"],
        postgresql_where=_WAITS,
        sqlite_where=_WAITS,
    )
    op.create_index(
        "outbox_failed_at_idx",
        "outbox",
        ["failed_at"],
        postgresql_where=_FAILED,
        sqlite_where=_FAILED,
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("failed_at", "queue", "due", "id"):
        op.drop_index(f"outbox_{name}_idx", "outbox")
