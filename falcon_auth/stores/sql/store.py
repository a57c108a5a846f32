"""The SQL store, for SQLite and PostgreSQL.

Indexes enforce uniqueness. A decision about one row is made inside the statement that acts on it,
so that each step is correct under READ COMMITTED. A decision about several rows locks them first,
the user's before the sessions', and reads them afterwards: a statement that has waited for one row
sees the new state of that row only, and the old state of all others.
"""

from __future__ import annotations

from falcon_auth.stores.sql.audit import SqlAudit
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.directory import SqlDirectory
from falcon_auth.stores.sql.factors import SqlFactors
from falcon_auth.stores.sql.identities import SqlIdentities
from falcon_auth.stores.sql.outbox import SqlOutbox
from falcon_auth.stores.sql.roles import SqlRoles
from falcon_auth.stores.sql.sessions import SqlSessions
from falcon_auth.stores.sql.users import SqlUsers


class SqlStore:
    """A `Store` in a database. Safe to call from any thread."""

    def __init__(self, database: Database) -> None:
        self.users = SqlUsers(database)
        self.sessions = SqlSessions(database)
        self.factors = SqlFactors(database)
        self.roles = SqlRoles(database)
        self.identities = SqlIdentities(database)
        self.directory = SqlDirectory(database)
        self.audit = SqlAudit(database)
        self.outbox = SqlOutbox(database)
