"""The state that the parts of a memory store share: tables, one lock, a count of changes."""

from __future__ import annotations

from threading import Lock

from falcon_auth.errors import LastWayInError
from falcon_auth.models import Effects, User
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

    def check_way_in(self, user: User, *, without: str) -> None:
        """Raise `LastWayInError` if what has the id *without* is the user's only way to log in.

        The caller holds the lock. The same rule is in `stores/sql/ways_in.py`.
        """
        passkeys = {each.id for each in self.factors.of_user(user.id) if each.kind == "passkey"}
        ways = passkeys | {each.id for each in self.identities.of_user(user.id)}
        if not user.has_password and ways <= {without}:
            raise LastWayInError

    def changed(self, effects: Effects) -> None:
        """Count a change, and write its effects. The caller holds the lock."""
        self.changes += 1
        self.audit.extend(effects.events)
        for failure in effects.failures:
            self.audit.add_failure(failure)
        for message in effects.messages:
            self.outbox.add(message)
