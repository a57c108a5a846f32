"""Readiness of a database: it has the right tables, and they can be written to."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, exc, false, update

from falcon_auth.stores.sql.tables import REVISIONS, read_revision, sessions

READ_ONLY_STATE = "25006"  # PostgreSQL's SQLSTATE for a write on a standby, among others.

Fault = Literal["no_tables", "behind", "read_only", "refused"]


def find_fault(connection: Connection) -> Fault | None:
    """Return the reason why this database is not ready; None if it is.

    A newer version's tables are not a fault, because migrations run before processes are replaced.
    `refused` means a missing table or permission. Raises SQLAlchemy's errors if the database does
    not answer.
    """
    revision = read_revision(connection)
    if revision is None:
        return "no_tables"
    if revision in REVISIONS[:-1]:
        return "behind"
    try:
        connection.execute(_CHANGE_NOTHING)
    except exc.DBAPIError as error:
        if is_read_only(error):
            return "read_only"
        if isinstance(error, exc.ProgrammingError):
            return "refused"
        raise
    return None


def is_read_only(error: exc.DBAPIError) -> bool:
    """Return whether a PostgreSQL server refused a write, as a standby does."""
    return getattr(error.orig, "sqlstate", None) == READ_ONLY_STATE


# The server checks permissions and its own state before it reads any row.
_CHANGE_NOTHING = update(sessions).where(false()).values(last_used_at=sessions.c.last_used_at)
