"""Add the audit trail, the outbox, verified addresses, and how sessions were authenticated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns with constant defaults, which rewrite no table, and two tables."""
    zero, empty, no = sa.text("0"), sa.text("''"), sa.false()
    op.add_column(
        "users", sa.Column("email_version", sa.Integer, nullable=False, server_default=zero)
    )
    op.add_column(
        "users", sa.Column("email_verified", sa.Boolean, nullable=False, server_default=no)
    )
    op.add_column(
        "sessions", sa.Column("auth_time", sa.Double, nullable=False, server_default=zero)
    )
    op.add_column("sessions", sa.Column("amr", sa.Text, nullable=False, server_default=empty))
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("subject", sa.Uuid),
        sa.Column("ip", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("details", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="audit_events_pkey"),
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failed_at", sa.Double),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("position", name="outbox_pkey"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("outbox")
    op.drop_table("audit_events")
    op.drop_column("sessions", "amr")
    op.drop_column("sessions", "auth_time")
    op.drop_column("users", "email_verified")
    op.drop_column("users", "email_version")
