"""The state that the parts of a memory store share: tables, one lock, a count of changes."""

from __future__ import annotations

from collections import deque
from threading import Lock

from falcon_auth.models import AuditEvent, Effects
from falcon_auth.stores.memory.factor_table import FactorTable
from falcon_auth.stores.memory.outbox_table import OutboxTable
from falcon_auth.stores.memory.role_table import RoleTable
from falcon_auth.stores.memory.tables import SessionTable, UserTable

MAX_AUDIT_EVENTS = 10_000  # About 5 MiB; the oldest are dropped.


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
        self.audit: deque[AuditEvent] = deque(maxlen=MAX_AUDIT_EVENTS)  # Oldest first.
        self.outbox = OutboxTable()
        self.changes = 0

    def changed(self, effects: Effects) -> None:
        """Count a change, and write its effects. The caller holds the lock."""
        self.changes += 1
        self.audit.extend(effects.events)
        for message in effects.messages:
            self.outbox.add(message)
