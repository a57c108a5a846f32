"""What Alembic runs: the caller's connection, or nothing but SQL text."""

from __future__ import annotations

from alembic import context

from falcon_auth.stores.schema import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    context.configure(
        dialect_name=context.config.attributes["dialect"],
        target_metadata=metadata,
        transactional_ddl=True,
    )
else:
    context.configure(connection=connection, target_metadata=metadata)

with context.begin_transaction():
    context.run_migrations()
