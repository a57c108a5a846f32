"""Sweeping of expired rows: one slice at a time, by one process at a time."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

SWEEP_LOCK = 0x66616C73  # PostgreSQL's advisory locks are numbers that applications choose.


def may_sweep(connection: Connection) -> bool:
    """Return whether this transaction may sweep; always true on SQLite, which has one writer."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(SWEEP_LOCK))))
