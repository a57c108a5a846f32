"""Add roles, with the built-in one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add a column with a constant default, which rewrites no table, and two tables."""
    op.add_column(
        "users", sa.Column("has_roles", sa.Boolean, nullable=False, server_default=sa.false())
    )
    roles = op.create_table(
        "roles",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="roles_pkey"),
    )
    op.create_table(
        "user_roles",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "role", name="user_roles_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="user_roles_user_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["role"], ["roles.name"], name="user_roles_role_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("user_roles_role_idx", "user_roles", ["role"])
    op.bulk_insert(roles, [{"name": "admin", "scopes": "admin"}])


def downgrade() -> None:
    """Drop them; there are no administrators afterwards."""
    for table in ("user_roles", "roles"):
        op.drop_table(table)
    op.drop_column("users", "has_roles")
