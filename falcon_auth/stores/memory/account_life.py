"""The life of an account in memory: verification, reset, change of address and name."""

from __future__ import annotations

from dataclasses import replace

from falcon_auth.models import NO_EFFECTS, Effects, User
from falcon_auth.store import Change
from falcon_auth.stores.memory.state import MemoryState


class MemoryAccountLife:
    """The part of `UserStore` that the links of mails and the account page use."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def tell(self, user: User, effects: Effects) -> bool:
        """Compare and write under one lock."""
        with self._state.lock:
            if self._unchanged(user) is None:
                return False
            self._state.changed(effects)
            return True

    def verify_email(self, user: User, *, now: float, effects: Effects = NO_EFFECTS) -> bool:
        """Compare and set under one lock."""
        with self._state.lock:
            stored = self._unchanged(user)
            if stored is None:
                return False
            version = stored.email_version + 1
            verified = replace(stored, email_verified=True, email_version=version, updated_at=now)
            self._state.users.replace(verified)
            self._state.changed(effects)
            return True

    def reset_password(
        self, user: User, password_hash: str, *, now: float, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Compare and set under one lock."""
        with self._state.lock:
            stored = self._unchanged(user)
            if stored is None:
                return None
            if not stored.email_verified:
                stored = self._forget_unproven_ways_in(stored)
            reset = replace(
                stored,
                password_hash=password_hash,
                password_version=stored.password_version + 1,
                email_verified=True,
                email_version=stored.email_version + (not stored.email_verified),
                updated_at=now,
            )
            self._state.users.replace(reset)
            ended = self._state.sessions.end_all_of(user.id, now)
            self._state.changed(effects)
            return Change(ended)

    def change_email(
        self,
        user: User,
        *,
        email: str,
        email_key: str,
        keep_session: str,
        now: float,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Compare and set under one lock."""
        with self._state.lock:
            stored = self._unchanged(user)
            is_open = keep_session in self._state.sessions.open_ids.get(user.id, ())
            if stored is None or not is_open:
                return None
            changed = replace(
                stored,
                email=email,
                email_key=email_key,
                email_verified=True,
                email_version=stored.email_version + 1,
                updated_at=now,
            )
            self._replace_unless_taken(changed)
            ended = self._state.sessions.end_all_of(user.id, now, keep=keep_session)
            self._state.changed(effects)
            return Change(ended)

    def rename(
        self, user_id: str, username: str | None, *, now: float, effects: Effects = NO_EFFECTS
    ) -> User | None:
        """Check and set under one lock."""
        with self._state.lock:
            stored = self._state.users.by_id.get(user_id)
            if stored is None:
                return None
            renamed = replace(stored, username=username, updated_at=now)
            self._replace_unless_taken(renamed)
            self._state.changed(effects)
            return renamed

    def _unchanged(self, user: User) -> User | None:
        """Return the stored user if neither password nor address has changed since it was read."""
        stored = self._state.users.by_id.get(user.id)
        if stored is None or not stored.is_active:
            return None
        read = (user.password_version, user.email_version)
        return stored if (stored.password_version, stored.email_version) == read else None

    def _replace_unless_taken(self, user: User) -> None:
        conflict = self._state.users.conflict_of(user)
        if conflict is not None:
            raise conflict
        self._state.users.replace(user)

    def _forget_unproven_ways_in(self, user: User) -> User:
        """Remove every means of logging in other than the password; return the changed user.

        Whoever registered the unverified address may have added them. A capability that adds
        another means removes it here.
        """
        self._state.identities.forget_all_of(user.id)
        self._state.factors.forget_all_of(user.id)
        return replace(user, factor_count=0, factors_version=user.factors_version + 1)
