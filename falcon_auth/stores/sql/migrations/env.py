"""Alembic's entry point: migrates on the caller's connection, or prints SQL."""

from __future__ import annotations

from alembic import context

from falcon_auth.stores.sql.tables import metadata

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
