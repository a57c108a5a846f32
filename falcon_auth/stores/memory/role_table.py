"""The roles in memory with their indexes. Callers hold the store's lock."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from falcon_auth.access.rules import check_authority, is_administrator
from falcon_auth.access.scopes import ADMIN, lacking
from falcon_auth.errors import InsufficientScopeError, LastAdministratorError, NotFoundError
from falcon_auth.models import Role, User
from falcon_auth.store import Authority
from falcon_auth.store.roles import UNKNOWN_ROLE
from falcon_auth.stores.memory.tables import UserTable


class RoleTable:
    """Role definitions by name, and the users who have each role."""

    def __init__(self, users: UserTable) -> None:
        self.by_name: dict[str, Role] = {ADMIN: Role(ADMIN, (ADMIN,))}
        self._holders: dict[str, set[str]] = {}  # Ids of users, by the name of the role.
        self._users = users

    def scopes_of(self, names: Iterable[str]) -> frozenset[str]:
        """Return the scopes of several roles. Raises `NotFoundError` for one without definition."""
        names = list(names)
        if not self.by_name.keys() >= {*names}:
            raise NotFoundError(UNKNOWN_ROLE)
        return frozenset(scope for name in names for scope in self.by_name[name].scopes)

    def holders_of(self, name: str) -> list[User]:
        """Return the users who have a role."""
        return [self._users.by_id[each] for each in self._holders.get(name, ())]

    def enter(self, user: User) -> User:
        """Index the roles of a new user; return the user with their scopes."""
        user = replace(user, roles=tuple(sorted(user.roles)), scopes=self.scopes_of(user.roles))
        for name in user.roles:
            self._holders.setdefault(name, set()).add(user.id)
        return user

    def leave(self, user: User) -> None:
        """Remove a user from the index."""
        for name in user.roles:
            self._holders[name].remove(user.id)

    def assign(self, user: User, names: Collection[str]) -> User:
        """Replace the roles of a stored user; return the changed user."""
        self.leave(user)
        changed = self.enter(replace(user, roles=tuple(names)))
        self._users.replace(changed)
        return changed

    def define(self, role: Role) -> None:
        """Add a definition, or replace the previous one of that name."""
        self.by_name[role.name] = role
        for user in self.holders_of(role.name):
            self._users.replace(replace(user, scopes=self.scopes_of(user.roles)))

    def remove(self, name: str) -> None:
        """Remove a definition, and revoke the role from all users."""
        for user in self.holders_of(name):
            self.assign(user, {*user.roles} - {name})
        self._holders.pop(name, None)
        del self.by_name[name]

    def authorise(self, by: Authority | None, *touched: Collection[str]) -> None:
        """Refuse an actor who lacks a scope. Raises as `check_authority` does."""
        if by is not None:
            check_authority(by, self._users.by_id.get(by.actor_id), *touched)

    def authorise_definition(self, by: Authority | None, role: Role) -> None:
        """Refuse an actor who lacks a scope of a role, of what it is to be, or of who has it."""
        if by is not None:
            former = self.by_name.get(role.name, role)
            self.authorise(by, former.scopes, role.scopes)
            held = (user.scopes for user in self.holders_of(role.name))
            lacked = lacking(self._users.by_id[by.actor_id].scopes, frozenset().union(*held))
            if lacked:
                raise InsufficientScopeError(lacked)

    def keep_administrator(self, changed: Iterable[User]) -> None:
        """Refuse a change that would remove the last administrator.

        *changed* are the users that it changes, as they are to be; one that is to be deleted is
        disabled there. Raises `LastAdministratorError`.
        """
        after = {user.id: user for user in changed}
        before = self._administrators()
        left = [each for each in before if is_administrator(after.get(each.id, each))]
        gained = any(is_administrator(user) for user in after.values())
        if before and not left and not gained:
            raise LastAdministratorError

    def _administrators(self) -> list[User]:
        names = [role.name for role in self.by_name.values() if ADMIN in role.scopes]
        return [user for name in names for user in self.holders_of(name) if is_administrator(user)]
