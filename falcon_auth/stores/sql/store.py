"""The SQL store, for SQLite and PostgreSQL.

Uniqueness is the indexes', and every decision on one row is taken inside the statement that acts
on it, so that each step is right under READ COMMITTED. A decision on several rows locks them first,
the user's before its sessions', and looks then: a statement that waits for one row sees only that
one as it is afterwards, and all others as they were before.
"""

from __future__ import annotations

from falcon_auth.stores.sql.audit import SqlAudit
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.factors import SqlFactors
from falcon_auth.stores.sql.outbox import SqlOutbox
from falcon_auth.stores.sql.sessions import SqlSessions
from falcon_auth.stores.sql.users import SqlUsers


class SqlStore:
    """A `Store` in a database. Safe to call from any thread."""

    def __init__(self, database: Database) -> None:
        self.users = SqlUsers(database)
        self.sessions = SqlSessions(database)
        self.factors = SqlFactors(database)
        self.audit = SqlAudit(database)
        self.outbox = SqlOutbox(database)
