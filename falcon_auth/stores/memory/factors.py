"""The second factors in memory."""

from __future__ import annotations

import heapq
from dataclasses import replace

from falcon_auth.errors import FactorRequiredError
from falcon_auth.models import (
    NO_EFFECTS,
    Effects,
    Factor,
    FactorUse,
    RecoveryCodes,
    Session,
    User,
)
from falcon_auth.store import Activation, Change, Holder
from falcon_auth.stores.memory.state import MemoryState


class MemoryFactors:
    """A `FactorStore` in dicts; every path that a request takes is O(1)."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def find_holder(self, user_id: str) -> Holder | None:
        """Look up the user, the factors and the codes under one lock."""
        with self._state.lock:
            user = self._state.users.by_id.get(user_id)
            if user is None:
                return None
            factors = self._state.factors
            codes = factors.codes_of(user_id)
            hashes = () if codes is None else factors.hashes[codes.id]
            return Holder(user, tuple(factors.of_user(user_id)), frozenset(hashes))

    def find_credential(self, credential_id: str) -> tuple[Factor, User] | None:
        """Look the id up."""
        with self._state.lock:
            factor_id = self._state.factors.id_by_credential.get(credential_id)
            if factor_id is None:
                return None
            factor = self._state.factors.by_id[factor_id]
            return factor, self._state.users.by_id[factor.user_id]

    def add_pending(self, factor: Factor, *, limit: int) -> bool:
        """Remove other pending apps and add this one under one lock."""
        with self._state.lock:
            user = self._state.users.by_id.get(factor.user_id)
            if user is None or user.factor_count >= limit:
                return False
            for former in self._state.factors.of_user(user.id):
                if former.confirmed_at is None:
                    self._state.factors.remove(former)
            self._state.factors.add(factor)
            self._state.changed(NO_EFFECTS)
            return True

    def activate(
        self, activation: Activation, *, limit: int, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Check all conditions, then change all records, under one lock."""
        factors, factor = self._state.factors, activation.factor
        with self._state.lock:
            user = self._unchanged(activation.user)
            if (
                user is None
                or not user.is_active
                or user.factor_count >= limit
                or activation.session.id not in self._state.sessions.open_ids.get(user.id, ())
                or not self._is_free(activation)
            ):
                return None
            if activation.challenge is not None:
                factors.spend_challenge(activation.challenge)
            factors.add(factor)
            if factors.codes_of(user.id) is None:
                factors.add_codes(activation.codes)
            ended = 0
            if user.factor_count == 0:
                ended = self._end_others(activation)
            self._count(user, user.factor_count + 1, now=activation.now)
            self._state.changed(effects)
            return Change(ended)

    def remove(
        self,
        user_id: str,
        factor_id: str,
        *,
        keep_last: bool,
        now: float,
        effects: Effects = NO_EFFECTS,
    ) -> Factor | None:
        """Count and remove under one lock."""
        with self._state.lock:
            factor = self._state.factors.by_id.get(factor_id)
            if factor is None or factor.user_id != user_id or factor.kind == "recovery_code":
                return None
            if factor.confirmed_at is None:
                self._state.factors.remove(factor)
                self._state.changed(NO_EFFECTS)
                return factor
            user = self._state.users.by_id[user_id]
            if keep_last and user.factor_count == 1:
                raise FactorRequiredError
            if factor.kind == "passkey":
                self._state.check_way_in(user, without=factor.id)
            if user.factor_count == 1:
                self._remove_codes(user_id)
            self._state.factors.remove(factor)
            self._count(user, user.factor_count - 1, now=now)
            self._state.changed(effects)
            return factor

    def replace_codes(
        self, user: User, codes: RecoveryCodes, *, now: float, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Compare and replace under one lock."""
        with self._state.lock:
            stored = self._unchanged(user)
            if stored is None or not stored.factor_count:
                return False
            self._remove_codes(user.id)
            self._state.factors.add_codes(codes)
            self._count(stored, stored.factor_count, now=now)
            self._state.changed(effects)
            return True

    def confirm(
        self,
        session_id: str,
        *,
        auth_time: float,
        amr: tuple[str, ...],
        use: FactorUse | None,
        effects: Effects = NO_EFFECTS,
    ) -> Session | None:
        """Spend and set under one lock."""
        with self._state.lock:
            session = self._state.sessions.by_id.get(session_id)
            if session is None or session.ended_at is not None:
                return None
            if use is not None:
                self._state.factors.spend(use)
            confirmed = self._state.sessions.confirm(session, auth_time, amr)
            self._state.changed(effects)
            return confirmed

    def list_secrets(self, *, after: str, limit: int) -> list[Factor]:
        """Go through all factors; for commands, not for requests."""
        with self._state.lock:
            factors = self._state.factors.by_id
            ids = (key for key, each in factors.items() if each.secret and key > after)
            return [factors[each] for each in heapq.nsmallest(limit, ids)]

    def replace_secret(self, factor_id: str, *, old: str, new: str) -> bool:
        """Compare and set under one lock."""
        with self._state.lock:
            factor = self._state.factors.by_id.get(factor_id)
            if factor is None or factor.secret != old:
                return False
            self._state.factors.add(replace(factor, secret=new))
            self._state.changed(NO_EFFECTS)
            return True

    def sweep(self, *, expired_before: float, limit: int) -> bool:
        """Delete a slice under one lock."""
        with self._state.lock:
            swept = self._state.factors.sweep(expired_before, limit)
            if swept:
                self._state.changed(NO_EFFECTS)
            return swept == limit

    def _unchanged(self, user: User) -> User | None:
        stored = self._state.users.by_id.get(user.id)
        unchanged = stored is not None and stored.factors_version == user.factors_version
        return stored if unchanged else None

    def _is_free(self, activation: Activation) -> bool:
        factors, factor = self._state.factors, activation.factor
        if activation.challenge is not None and activation.challenge.id in factors.spent:
            return False
        if factor.credential_id is not None:
            return factor.credential_id not in factors.id_by_credential
        pending = factors.by_id.get(factor.id)
        return pending is not None and pending.confirmed_at is None

    def _end_others(self, activation: Activation) -> int:
        sessions, kept = self._state.sessions, activation.session
        sessions.confirm(sessions.by_id[kept.id], kept.auth_time, kept.amr)
        return sessions.end_all_of(activation.user.id, activation.now, keep=kept.id)

    def _remove_codes(self, user_id: str) -> None:
        codes = self._state.factors.codes_of(user_id)
        if codes is not None:  # pragma: no branch - they come with the first factor
            self._state.factors.remove(codes)

    def _count(self, user: User, factor_count: int, *, now: float) -> None:
        counted = replace(
            user,
            factor_count=factor_count,
            factors_version=user.factors_version + 1,
            updated_at=now,
        )
        self._state.users.replace(counted)
