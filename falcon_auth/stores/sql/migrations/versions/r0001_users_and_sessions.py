"""Create users and sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False),
        sa.Column("username", sa.Text),
        sa.Column("username_key", sa.Text),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("password_version", sa.Integer, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("last_login_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
    )
    op.create_index("users_email_key_idx", "users", ["email_key"], unique=True)
    op.create_index("users_username_key_idx", "users", ["username_key"], unique=True)
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_used_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("user_agent", sa.Text),
        sa.Column("ip", sa.Text),
        sa.PrimaryKeyConstraint("id", name="sessions_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="sessions_user_id_fkey"),
    )
    live, ended = sa.text("ended_at IS NULL"), sa.text("ended_at IS NOT NULL")
    op.create_index(
        "sessions_live_idx", "sessions", ["user_id"], postgresql_where=live, sqlite_where=live
    )
    op.create_index("sessions_expires_at_idx", "sessions", ["expires_at"])
    op.create_index(
        "sessions_ended_at_idx",
        "sessions",
        ["ended_at"],
        postgresql_where=ended,
        sqlite_where=ended,
    )


def downgrade() -> None:
    """Drop all users and sessions."""
    op.drop_table("sessions")
    op.drop_table("users")
