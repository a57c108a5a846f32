"""The identities in memory with their indexes. Whoever calls holds the store's lock."""

from __future__ import annotations

from dataclasses import replace

from falcon_auth.errors import RevokedTokenError
from falcon_auth.models import Identity, IdentityUse
from falcon_auth.stores.memory.factor_table import FactorTable


class IdentityTable:
    """Identities by id, by user, and by issuer and subject. *factors* has the spent codes."""

    def __init__(self, factors: FactorTable) -> None:
        self.by_id: dict[str, Identity] = {}
        self.id_by_subject: dict[tuple[str, str], str] = {}
        self._ids_of: dict[str, tuple[str, ...]] = {}  # By user, oldest first.
        self._factors = factors

    def of_user(self, user_id: str) -> list[Identity]:
        """Return all that a user has, oldest first."""
        return [self.by_id[each] for each in self._ids_of.get(user_id, ())]

    def is_taken(self, identity: Identity) -> bool:
        """Return whether a user has it already."""
        return (identity.issuer, identity.subject) in self.id_by_subject

    def add(self, identity: Identity) -> None:
        """Add an identity that nobody has yet."""
        self.by_id[identity.id] = identity
        self.id_by_subject[identity.issuer, identity.subject] = identity.id
        self._ids_of[identity.user_id] = (*self._ids_of.get(identity.user_id, ()), identity.id)

    def remove(self, identity: Identity) -> None:
        """Forget an identity."""
        del self.by_id[identity.id]
        del self.id_by_subject[identity.issuer, identity.subject]
        left = tuple(each for each in self._ids_of[identity.user_id] if each != identity.id)
        if left:
            self._ids_of[identity.user_id] = left
        else:
            del self._ids_of[identity.user_id]

    def forget_all_of(self, user_id: str) -> None:
        """Forget all that a user has."""
        for identity in self.of_user(user_id):
            self.remove(identity)

    def use(self, use: IdentityUse) -> None:
        """Note a log-in and spend its code. Raises `RevokedTokenError`, and changes nothing.

        The same rules are in `stores/sql/identity_uses.py`.
        """
        identity = self.by_id.get(use.identity_id)
        if identity is None or use.code.id in self._factors.spent:
            raise RevokedTokenError
        self.by_id[identity.id] = replace(identity, last_used_at=use.at)
        self._factors.spend_challenge(use.code)
