"""Add the users' accounts at providers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add one table."""
    op.create_table(
        "identities",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_used_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="identities_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="identities_user_id_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("identities_user_id_idx", "identities", ["user_id"])
    op.create_index("identities_subject_idx", "identities", ["issuer", "subject"], unique=True)


def downgrade() -> None:
    """Forget them: users without a password need a reset to log in then."""
    op.drop_table("identities")
