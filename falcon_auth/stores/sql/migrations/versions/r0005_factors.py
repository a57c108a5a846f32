"""Add second factors, recovery codes, and spent challenges."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add columns with constant defaults, which rewrite no table, and three tables."""
    zero, empty, no = sa.text("0"), sa.text("''"), sa.false()
    for name in ("factor_count", "factors_version"):
        op.add_column("users", sa.Column(name, sa.Integer, nullable=False, server_default=zero))
    op.create_table(
        "factors",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("confirmed_at", sa.Double),
        sa.Column("last_used_at", sa.Double),
        sa.Column("secret", sa.Text),
        sa.Column("last_step", sa.BigInteger, nullable=False, server_default=zero),
        sa.Column("credential_id", sa.Text),
        sa.Column("public_key", sa.Text),
        sa.Column("sign_count", sa.BigInteger, nullable=False, server_default=zero),
        sa.Column("backup_eligible", sa.Boolean, nullable=False, server_default=no),
        sa.Column("backed_up", sa.Boolean, nullable=False, server_default=no),
        sa.Column("transports", sa.Text, nullable=False, server_default=empty),
        sa.PrimaryKeyConstraint("id", name="factors_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="factors_user_id_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("factors_user_id_idx", "factors", ["user_id"])
    op.create_index("factors_credential_id_idx", "factors", ["credential_id"], unique=True)
    op.create_table(
        "recovery_codes",
        sa.Column("factor_id", sa.Uuid, nullable=False),
        sa.Column("code_hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("factor_id", "code_hash", name="recovery_codes_pkey"),
        sa.ForeignKeyConstraint(
            ["factor_id"],
            ["factors.id"],
            name="recovery_codes_factor_id_fkey",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "spent_challenges",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="spent_challenges_pkey"),
    )
    op.create_index("spent_challenges_expires_at_idx", "spent_challenges", ["expires_at"])


def downgrade() -> None:
    """Drop them; users with a second factor can then log in with the password alone."""
    for table in ("spent_challenges", "recovery_codes", "factors"):
        op.drop_table(table)
    for name in ("factors_version", "factor_count"):
        op.drop_column("users", name)
