"""Add the order of the directory, and on PostgreSQL the index that searches it."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

# Making the index of a million users takes half a minute, during which nobody could log in; that of
# so many takes a quarter of a second.
MANY_USERS = 10_000

# One statement without parameters, so that it can be printed as well. The extension may be missing
# on the server, or not be this role's to create: the directory does without the index then. What
# an administrator made before, without locking the table, is kept.
_SEARCH_INDEX = f"""\
DO $$
BEGIN
  IF to_regclass('users_search_idx') IS NOT NULL THEN
    RETURN;
  END IF;
  IF (SELECT count(*) FROM (SELECT 1 FROM users LIMIT {MANY_USERS}) AS many) >= {MANY_USERS} THEN
    RAISE NOTICE USING MESSAGE = 'users_search_idx is left to you: docs/access.md says how';
    RETURN;
  END IF;
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX users_search_idx ON users
    USING gin (email_key gin_trgm_ops, username_key gin_trgm_ops);
EXCEPTION WHEN insufficient_privilege OR undefined_file OR undefined_object
    OR feature_not_supported THEN
  RAISE NOTICE USING MESSAGE = 'users_search_idx is left out: ' || SQLERRM;
END $$"""  # noqa: S608 - a number from above


def upgrade() -> None:
    """Make both; the first takes about a second for a million users."""
    op.create_index("users_created_at_idx", "users", ["created_at", "id"])
    if op.get_context().dialect.name == "postgresql":
        op.execute(_SEARCH_INDEX)


def downgrade() -> None:
    """Drop them; the extension stays, which others may use."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP INDEX IF EXISTS users_search_idx")
    op.drop_index("users_created_at_idx", "users")
