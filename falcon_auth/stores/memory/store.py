"""The memory store: dicts behind one lock, for tests and single-process deployments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from falcon_auth.models import (
    NO_EFFECTS,
    Factor,
    Identity,
    Message,
    Role,
    Session,
    SpentChallenge,
    User,
)
from falcon_auth.stores.memory.audit import MemoryAudit
from falcon_auth.stores.memory.directory import MemoryDirectory
from falcon_auth.stores.memory.factors import MemoryFactors
from falcon_auth.stores.memory.identities import MemoryIdentities
from falcon_auth.stores.memory.outbox import MemoryOutbox
from falcon_auth.stores.memory.roles import MemoryRoles
from falcon_auth.stores.memory.sessions import MemorySessions
from falcon_auth.stores.memory.state import MemoryState
from falcon_auth.stores.memory.users import MemoryUsers


class Records(NamedTuple):
    """All records that a snapshot keeps, at one moment."""

    users: Sequence[User] = ()
    sessions: Sequence[Session] = ()
    outbox: Sequence[Message] = ()
    factors: Sequence[Factor] = ()
    code_hashes: Mapping[str, Sequence[str]] = {}  # Of recovery codes, by the id of their set.
    spent_challenges: Mapping[str, float] = {}  # When each expires, by its id.
    roles: Sequence[Role] = ()
    identities: Sequence[Identity] = ()


class MemoryStore:
    """A `Store` in this process; lost on restart.

    Safe to call from any thread. Records are frozen: what is handed out never changes afterwards.
    """

    def __init__(self) -> None:
        self._state = MemoryState()
        self.users = MemoryUsers(self._state)
        self.sessions = MemorySessions(self._state)
        self.factors = MemoryFactors(self._state)
        self.roles = MemoryRoles(self._state)
        self.identities = MemoryIdentities(self._state)
        self.directory = MemoryDirectory(self._state)
        self.audit = MemoryAudit(self._state)
        self.outbox = MemoryOutbox(self._state)

    # --- The snapshot

    @property
    def changes(self) -> int:
        """A number that grows with every change, so that a snapshot knows when to write."""
        return self._state.changes

    def dump(self) -> Records:
        """Return all records except the audit trail, at one moment."""
        with self._state.lock:
            factors = self._state.factors
            return Records(
                list(self._state.users.by_id.values()),
                list(self._state.sessions.by_id.values()),
                list(self._state.outbox.by_id.values()),
                list(factors.by_id.values()),
                {name: sorted(hashes) for name, hashes in factors.hashes.items()},
                dict(factors.spent),
                list(self._state.roles.by_name.values()),
                list(self._state.identities.by_id.values()),
            )

    def load(
        self,
        users: Iterable[User],
        sessions: Iterable[Session],
        messages: Iterable[Message] = (),
        factors: Iterable[Factor] = (),
        code_hashes: Mapping[str, Iterable[str]] | None = None,
        spent_challenges: Mapping[str, float] | None = None,
        roles: Iterable[Role] = (),
        identities: Iterable[Identity] = (),
    ) -> None:
        """Load records into an empty store.

        Raises `DuplicateEmailError` or `DuplicateUsernameError` if two users have the same,
        `NotFoundError` for a role that is not defined, and `ValueError` for a session,
        factor or identity without a user, or a duplicate record; the store must then not be used.
        """
        state = self._state
        with state.lock:
            for role in roles:
                state.roles.define(role)
            for user in users:
                conflict = state.users.conflict_of(user)
                if conflict is not None:
                    raise conflict
                if user.id in state.users.by_id:
                    raise ValueError("has a user twice")
                state.users.add(state.roles.enter(user))
            for session in sessions:
                if session.user_id not in state.users.by_id or session.id in state.sessions.by_id:
                    raise ValueError("has a session that belongs to no user, or one twice")
                state.sessions.add(session)
            state.sessions.sort_ended()
            for message in messages:
                if message.id in state.outbox.by_id:
                    raise ValueError("has a message twice")
                state.outbox.add(message)
            self._load_factors(factors, code_hashes or {})
            self._load_identities(identities)
            for name, expires_at in (spent_challenges or {}).items():
                state.factors.spend_challenge(SpentChallenge(name, expires_at))
            state.changed(NO_EFFECTS)

    def _load_factors(
        self, factors: Iterable[Factor], code_hashes: Mapping[str, Iterable[str]]
    ) -> None:
        table = self._state.factors
        for factor in factors:
            known = factor.id in table.by_id or factor.credential_id in table.id_by_credential
            if factor.user_id not in self._state.users.by_id or known:
                raise ValueError("has a factor that belongs to no user, or one twice")
            table.add(factor)
            if factor.kind == "recovery_code":
                table.hashes[factor.id] = set(code_hashes.get(factor.id, ()))

    def _load_identities(self, identities: Iterable[Identity]) -> None:
        table = self._state.identities
        for identity in identities:
            known = identity.id in table.by_id or table.is_taken(identity)
            if identity.user_id not in self._state.users.by_id or known:
                raise ValueError("has an identity that belongs to no user, or one twice")
            table.add(identity)


store = MemoryStore()  # The process-wide instance; tests build their own.
