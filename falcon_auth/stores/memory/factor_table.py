"""The second factors in memory with their indexes. Callers hold the store's lock."""

from __future__ import annotations

import heapq
from dataclasses import replace

from falcon_auth.errors import FactorInvalidError
from falcon_auth.models import Factor, FactorUse, RecoveryCodes, SpentChallenge


class FactorTable:
    """Factors by id, by user and by the id of a passkey; recovery codes; spent challenges."""

    def __init__(self) -> None:
        self.by_id: dict[str, Factor] = {}
        self.id_by_credential: dict[str, str] = {}
        self.hashes: dict[str, set[str]] = {}  # Recovery codes, by the id of their set.
        self.spent: dict[str, float] = {}  # When each spent challenge expires, by its id.
        self._ids_of: dict[str, tuple[str, ...]] = {}  # By user, oldest first.
        self._expiring: list[tuple[float, str]] = []  # A heap of the spent challenges.

    def of_user(self, user_id: str) -> list[Factor]:
        """Return all factors of a user, oldest first."""
        return [self.by_id[each] for each in self._ids_of.get(user_id, ())]

    def codes_of(self, user_id: str) -> Factor | None:
        """Return the user's set of recovery codes."""
        sets = (each for each in self.of_user(user_id) if each.kind == "recovery_code")
        return next(sets, None)

    def add(self, factor: Factor) -> None:
        """Add a factor, or replace its previous state."""
        if factor.id not in self.by_id:
            self._ids_of[factor.user_id] = (*self._ids_of.get(factor.user_id, ()), factor.id)
        self.by_id[factor.id] = factor
        if factor.credential_id is not None:
            self.id_by_credential[factor.credential_id] = factor.id

    def add_codes(self, codes: RecoveryCodes) -> None:
        """Add a set of recovery codes."""
        self.add(codes.factor)
        self.hashes[codes.factor.id] = set(codes.hashes)

    def remove(self, factor: Factor) -> None:
        """Remove a factor, and its codes if it is a set of recovery codes."""
        del self.by_id[factor.id]
        self.hashes.pop(factor.id, None)
        if factor.credential_id is not None:
            del self.id_by_credential[factor.credential_id]
        left = tuple(each for each in self._ids_of[factor.user_id] if each != factor.id)
        if left:
            self._ids_of[factor.user_id] = left
        else:
            del self._ids_of[factor.user_id]

    def forget_all_of(self, user_id: str) -> None:
        """Remove all factors of a user."""
        for factor in self.of_user(user_id):
            self.remove(factor)

    def spend(self, use: FactorUse) -> None:
        """Spend a use of a factor. If it is spent already, raise `FactorInvalidError` unchanged.

        The same rules are in `stores/sql/factor_uses.py`.
        """
        factor = self.by_id.get(use.factor_id)
        if factor is None or any(each.id in self.spent for each in use.challenges):
            raise FactorInvalidError
        if use.step is not None:
            if factor.confirmed_at is None or use.step <= factor.last_step:
                raise FactorInvalidError
            factor = replace(factor, last_step=use.step)
        if use.sign_count is not None:
            # A count that is always zero means that the passkey has no counter (WebAuthn, 6.1.1).
            has_counter = use.sign_count or factor.sign_count
            if has_counter and use.sign_count <= factor.sign_count:
                raise FactorInvalidError
            factor = replace(factor, sign_count=use.sign_count, backed_up=use.backed_up)
        if use.code_hash is not None:
            if use.code_hash not in self.hashes.get(factor.id, ()):
                raise FactorInvalidError
            self.hashes[factor.id].remove(use.code_hash)
        self.by_id[factor.id] = replace(factor, last_used_at=use.at)
        for challenge in use.challenges:
            self.spend_challenge(challenge)

    def spend_challenge(self, challenge: SpentChallenge) -> None:
        """Keep a spent challenge until it expires."""
        self.spent[challenge.id] = challenge.expires_at
        heapq.heappush(self._expiring, (challenge.expires_at, challenge.id))

    def sweep(self, expired_before: float, limit: int) -> int:
        """Remove up to *limit* challenges that expired before *expired_before*; return how many."""
        swept = 0
        while swept < limit and self._expiring and self._expiring[0][0] < expired_before:
            del self.spent[heapq.heappop(self._expiring)[1]]
            swept += 1
        return swept
