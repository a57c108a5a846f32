"""The identities in memory."""

from __future__ import annotations

from falcon_auth.errors import DuplicateEmailError, IdentityTakenError
from falcon_auth.models import (
    NO_EFFECTS,
    Effects,
    Identity,
    IdentityUse,
    Session,
    SpentChallenge,
    User,
)
from falcon_auth.stores.memory.state import MemoryState


class MemoryIdentities:
    """An `IdentityStore` in dicts; every path that a request takes is O(1)."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def find(self, issuer: str, subject: str) -> tuple[Identity, User] | None:
        """Look both up."""
        with self._state.lock:
            identity_id = self._state.identities.id_by_subject.get((issuer, subject))
            return None if identity_id is None else self._with_user(identity_id)

    def find_by_id(self, identity_id: str) -> tuple[Identity, User] | None:
        """Look the id up."""
        with self._state.lock:
            known = identity_id in self._state.identities.by_id
            return self._with_user(identity_id) if known else None

    def list_of(self, user_id: str) -> list[Identity]:
        """Look them up."""
        with self._state.lock:
            return self._state.identities.of_user(user_id)

    def register(self, user: User, identity: Identity, *, effects: Effects = NO_EFFECTS) -> None:
        """Check and insert under one lock."""
        with self._state.lock:
            if self._state.users.conflict_of(user) is not None:
                raise DuplicateEmailError
            if self._state.identities.is_taken(identity):
                raise IdentityTakenError
            self._state.users.add(user)
            self._state.identities.add(identity)
            self._state.changed(effects)

    def link(
        self,
        identity: Identity,
        *,
        session: Session,
        spends: SpentChallenge,
        limit: int,
        effects: Effects = NO_EFFECTS,
    ) -> bool:
        """Check all conditions, then change, under one lock."""
        identities, factors = self._state.identities, self._state.factors
        with self._state.lock:
            user = self._state.users.by_id.get(identity.user_id)
            if (
                user is None
                or not user.is_active
                or session.id not in self._state.sessions.open_ids.get(user.id, ())
                or len(identities.of_user(user.id)) >= limit
                or spends.id in factors.spent
            ):
                return False
            if identities.is_taken(identity):
                raise IdentityTakenError
            factors.spend_challenge(spends)
            identities.add(identity)
            self._state.changed(effects)
            return True

    def unlink(
        self, user_id: str, identity_id: str, *, effects: Effects = NO_EFFECTS
    ) -> Identity | None:
        """Look for another way in, and remove, under one lock."""
        with self._state.lock:
            identity = self._state.identities.by_id.get(identity_id)
            if identity is None or identity.user_id != user_id:
                return None
            self._state.check_way_in(self._state.users.by_id[user_id], without=identity_id)
            self._state.identities.remove(identity)
            self._state.changed(effects)
            return identity

    def use(self, use: IdentityUse) -> None:
        """Note and spend under one lock."""
        with self._state.lock:
            self._state.identities.use(use)
            self._state.changed(NO_EFFECTS)

    def spend(self, challenge: SpentChallenge) -> bool:
        """Look and remember under one lock."""
        with self._state.lock:
            if challenge.id in self._state.factors.spent:
                return False
            self._state.factors.spend_challenge(challenge)
            self._state.changed(NO_EFFECTS)
            return True

    def _with_user(self, identity_id: str) -> tuple[Identity, User]:
        identity = self._state.identities.by_id[identity_id]
        return identity, self._state.users.by_id[identity.user_id]
