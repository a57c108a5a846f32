"""The users in memory."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace

from falcon_auth.errors import AuthError, DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import NO_EFFECTS, AuditEvent, Effects, Login, Session, User
from falcon_auth.store import Addition, Authority, Change
from falcon_auth.stores.memory.account_life import MemoryAccountLife


class MemoryUsers(MemoryAccountLife):
    """A `UserStore` in dicts; every path that a request takes is O(1)."""

    def add(
        self,
        user: User,
        session: Session | None = None,
        *,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> None:
        """Check and insert under one lock."""
        with self._state.lock:
            self._state.roles.authorise(by, self._state.roles.scopes_of(user.roles))
            conflict = self._state.users.conflict_of(user)
            if conflict is not None:
                raise conflict
            self._state.users.add(self._state.roles.enter(user))
            if session is not None:
                self._state.sessions.add(session)
            self._state.changed(effects)

    def add_quietly(self, user: User, *, effects: Mapping[Addition, Effects]) -> Addition:
        """Check and insert under one lock."""
        with self._state.lock:
            conflict = self._state.users.conflict_of(user)
            result: Addition = "added"
            if conflict is DuplicateUsernameError:
                user, result = replace(user, username=None), "unnamed"
            elif conflict is not None:
                result = "taken"
            if result != "taken":
                self._state.users.add(user)
            self._state.changed(effects[result])
            return result

    def add_many(
        self, users: Sequence[User], *, events: Sequence[AuditEvent] = ()
    ) -> dict[str, type[AuthError]]:
        """Check and insert all of them under one lock."""
        refused: dict[str, type[AuthError]] = {}
        with self._state.lock:
            for user in users:
                conflict = self._state.users.conflict_of(user)
                if user.id in self._state.users.by_id:
                    conflict = DuplicateEmailError
                if conflict is not None:
                    refused[user.id] = conflict
                else:
                    known = tuple(each for each in user.roles if each in self._state.roles.by_name)
                    self._state.users.add(self._state.roles.enter(replace(user, roles=known)))
            told = tuple(each for each in events if each.subject not in refused)
            self._state.changed(Effects(events=told))
        return refused

    def list_by_email(self, *, after: str, limit: int) -> list[User]:
        """Sort all users; for commands, not for requests."""
        with self._state.lock:
            users = self._state.users
            keys = heapq.nsmallest(limit, (key for key in users.id_by_email if key > after))
            return [users.by_id[users.id_by_email[key]] for key in keys]

    def find_by_email(self, key: str) -> User | None:
        """Look the key up."""
        with self._state.lock:
            return self._state.users.find_by_email(key)

    def upgrade_hash(self, login: Login) -> None:
        """Compare and set under one lock."""
        with self._state.lock:
            stored = self._state.users.by_id.get(login.user.id)
            if stored is not None and stored.password_hash == login.user.password_hash:
                new_hash = login.upgraded_hash or stored.password_hash
                upgraded = replace(stored, password_hash=new_hash)
                self._state.users.replace(upgraded)
                self._state.changed(NO_EFFECTS)

    def change_password(
        self,
        user: User,
        password_hash: str,
        *,
        keep_session: str,
        now: float,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Compare and set under one lock."""
        with self._state.lock:
            stored = self._state.users.by_id.get(user.id)
            if (
                stored is None
                or not stored.is_active
                or stored.password_version != user.password_version
                or keep_session not in self._state.sessions.open_ids.get(user.id, ())
            ):
                return None
            changed = replace(
                stored,
                password_hash=password_hash,
                password_version=stored.password_version + 1,
                updated_at=now,
            )
            self._state.users.replace(changed)
            ended = self._state.sessions.end_all_of(user.id, now, keep=keep_session)
            self._state.changed(effects)
            return Change(ended)

    def set_password(
        self, user_id: str, password_hash: str, *, now: float, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Set it, and end the sessions, under one lock."""
        with self._state.lock:
            user = self._state.users.by_id.get(user_id)
            if user is None:
                return None
            changed = replace(
                user,
                password_hash=password_hash,
                password_version=user.password_version + 1,
                updated_at=now,
            )
            self._state.users.replace(changed)
            ended = self._state.sessions.end_all_of(user_id, now)
            self._state.changed(effects)
            return Change(ended)

    def set_active(
        self,
        user_id: str,
        *,
        active: bool,
        now: float,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Set it, and end the sessions if the user is disabled, under one lock."""
        with self._state.lock:
            user = self._state.users.by_id.get(user_id)
            if user is None:
                return None
            self._state.roles.authorise(by, user.scopes)
            changed = replace(user, is_active=active, updated_at=now)
            self._state.roles.keep_administrator([changed])
            self._state.users.replace(changed)
            ended = 0 if active else self._state.sessions.end_all_of(user_id, now)
            self._state.changed(effects)
            return Change(ended)

    def find(self, user_id: str) -> User | None:
        """Look the id up."""
        with self._state.lock:
            return self._state.users.by_id.get(user_id)

    def delete(
        self,
        user_id: str,
        *,
        only_version: int | None = None,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Remove everything under one lock."""
        with self._state.lock:
            user = self._state.users.by_id.get(user_id)
            if user is None:
                return None
            self._state.roles.authorise(by, user.scopes)
            if only_version not in {None, user.email_version}:
                return None
            self._state.roles.keep_administrator([replace(user, is_active=False)])
            self._state.roles.leave(user)
            live = self._state.sessions.forget_all_of(user_id)
            self._state.outbox.forget_all_of(user_id)
            self._state.factors.forget_all_of(user_id)
            self._state.identities.forget_all_of(user_id)
            self._state.users.remove(user)
            self._state.changed(effects)
            self._state.audit.erase_clients_of(user_id)
            return Change(live)
