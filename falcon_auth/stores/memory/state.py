"""The state that the parts of a memory store share: tables, one lock, a count of changes."""

from __future__ import annotations

from threading import Lock

from falcon_auth.models import Effects
from falcon_auth.stores.memory.audit_table import AuditTable
from falcon_auth.stores.memory.factor_table import FactorTable
from falcon_auth.stores.memory.identity_table import IdentityTable
from falcon_auth.stores.memory.outbox_table import OutboxTable
from falcon_auth.stores.memory.role_table import RoleTable
from falcon_auth.stores.memory.tables import SessionTable, UserTable


class MemoryState:
    """The tables of one store. Each part holds `lock` for the duration of each of its steps.

    `changes` grows with every step that changes something, so that a snapshot knows when to write.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.users = UserTable()
        self.sessions = SessionTable()
        self.factors = FactorTable()
        self.roles = RoleTable(self.users)
        self.identities = IdentityTable(self.factors)
        self.audit = AuditTable()
        self.outbox = OutboxTable()
        self.changes = 0

    def changed(self, effects: Effects) -> None:
        """Count a change, and write its effects. The caller holds the lock."""
        self.changes += 1
        self.audit.extend(effects.events)
        for failure in effects.failures:
            self.audit.add_failure(failure)
        for message in effects.messages:
            self.outbox.add(message)
