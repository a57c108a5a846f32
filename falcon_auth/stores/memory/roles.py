"""The roles in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from falcon_auth.models import NO_EFFECTS, Effects, Role
from falcon_auth.store import Authority, RoleChange
from falcon_auth.store.roles import effects_of
from falcon_auth.stores.memory.state import MemoryState


class MemoryRoles:
    """A `RoleStore` in dicts. Changing a definition takes time linear in the users who have it."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def list(self) -> list[Role]:
        """Sort them all."""
        with self._state.lock:
            return sorted(self._state.roles.by_name.values(), key=lambda role: role.name)

    def define(
        self, role: Role, *, by: Authority | None = None, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Look and write under one lock."""
        with self._state.lock:
            roles = self._state.roles
            roles.authorise_definition(by, role)
            if roles.by_name.get(role.name) == role:
                return False
            roles.keep_administrator(
                replace(user, scopes=roles.scopes_of({*user.roles} - {role.name}) | {*role.scopes})
                for user in roles.holders_of(role.name)
            )
            roles.define(role)
            self._state.changed(effects)
            return True

    def delete(
        self, name: str, *, by: Authority | None = None, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Look and delete under one lock."""
        with self._state.lock:
            roles = self._state.roles
            roles.authorise_definition(by, roles.by_name.get(name, Role(name, ())))
            if name not in roles.by_name:
                return False
            roles.keep_administrator(
                replace(user, scopes=roles.scopes_of({*user.roles} - {name}))
                for user in roles.holders_of(name)
            )
            roles.remove(name)
            self._state.changed(effects)
            return True

    def change(
        self,
        user_id: str,
        *,
        grant: Collection[str] = (),
        revoke: Collection[str] = (),
        by: Authority | None = None,
        now: float,
        effects: Mapping[str, Effects] | None = None,
    ) -> RoleChange | None:
        """Look and write under one lock."""
        with self._state.lock:
            roles = self._state.roles
            user = self._state.users.by_id.get(user_id)
            if user is None:
                return None
            roles.authorise(by, user.scopes, roles.scopes_of(grant))
            granted = tuple(sorted({*grant} - {*user.roles}))
            revoked = tuple(sorted({*revoke} & {*user.roles} - {*grant}))
            if not granted and not revoked:
                return RoleChange(user, (), ())
            names = {*user.roles, *granted} - {*revoked}
            roles.keep_administrator([replace(user, scopes=roles.scopes_of(names))])
            changed = roles.assign(replace(user, updated_at=now), names)
            self._state.changed(effects_of(effects, [*granted, *revoked]))
            return RoleChange(changed, granted, revoked)
