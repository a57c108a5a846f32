"""The use cases of roles: define and delete them, grant and revoke them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from falcon_auth.access.scopes import ADMIN, OWN_SCOPES, ROLES_WRITE, is_role_name
from falcon_auth.audit.trail import COMMAND, AuditWord, Trail
from falcon_auth.errors import (
    InvalidBodyError,
    LastAdministratorError,
    NotFoundError,
    Violation,
)
from falcon_auth.models import Caller, Effects, Role, User
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.store.roles import UNKNOWN_ROLE, Authority, RoleStore

BUILT_IN = "The role admin is built in."
Violations = list[Violation]
# Each change of roles reads all definitions, one after the other: some milliseconds.
MAX_ROLES = 1000
FULL = f"There are {MAX_ROLES} roles already; delete one first."
NOT_A_NAME = (
    "A role's name begins with a letter and has up to 50 lower-case letters, digits, and _ . : -"
)


class Roles:
    """Define, delete, grant and revoke roles. Safe to call from any thread.

    *scopes* are the declared ones beside the service's own. Without a caller, a change is made by
    whoever runs the service; with one, the store raises `InsufficientScopeError` where the caller
    lacks a scope that the change touches.
    """

    def __init__(
        self,
        store: RoleStore,
        scopes: Collection[str],
        *,
        trail: Trail,
        clock: Callable[[], float],
        events: Events = LOG_ONLY,
    ) -> None:
        self._store = store
        self.declared = frozenset(scopes) | OWN_SCOPES
        self._trail = trail
        self._clock = clock
        self._events = events

    def list(self) -> list[Role]:
        """Return all roles, ordered by name."""
        return self._store.list()

    def violations(self, scopes: Sequence[str]) -> Violations:
        """Return the violations that `define` would raise for these scopes."""
        detail = "Is not a declared scope; SCOPES declares those of your applications."
        return [
            Violation(f"/scopes/{index}", InvalidBodyError.code, detail)
            for index, scope in enumerate(scopes)
            if scope not in self.declared
        ]

    def define(self, name: str, scopes: Sequence[str], caller: Caller | None = None) -> Role:
        """Define a role, or redefine it for everybody who has it; return the definition.

        Raises `NotFoundError` for what cannot be a name, `InvalidBodyError` for scopes that are not
        declared, for other scopes of `admin`, and for a new role where there are `MAX_ROLES`;
        `InsufficientScopeError`, `LastAdministratorError`.
        """
        if not is_role_name(name):
            raise NotFoundError(NOT_A_NAME)
        violations = self.violations(scopes)
        if name == ADMIN and {*scopes} != {ADMIN}:
            violations.append(Violation("/scopes", InvalidBodyError.code, BUILT_IN))
        if not self._has_room_for(name):
            violations.append(Violation("", InvalidBodyError.code, FULL))
        if violations:
            raise InvalidBodyError(violations)
        role = Role(name, tuple(sorted({*scopes})))
        effects = self._trail.effects(
            "role.changed",
            actor=_actor(caller),
            subject=None,
            role=name,
            scopes=" ".join(role.scopes),
        )
        if self._store.define(role, by=_authority(caller), effects=effects):
            self._events.record("role_changed", role=name)
        return role

    def delete(self, name: str, caller: Caller | None = None) -> None:
        """Delete a role, and take it from everybody.

        Raises `NotFoundError`, `InsufficientScopeError`, `LastAdministratorError`; that also for
        the built-in role.
        """
        if name == ADMIN:
            raise LastAdministratorError(BUILT_IN)
        effects = self._trail.effects(
            "role.changed", actor=_actor(caller), subject=None, role=name, deleted=True
        )
        if not self._store.delete(name, by=_authority(caller), effects=effects):
            raise NotFoundError(UNKNOWN_ROLE)
        self._events.record("role_changed", role=name)

    def grant(self, user: User, name: str) -> bool:
        """Grant a role, for whoever runs the service; return whether the user did not have it.

        Raises `NotFoundError` for a role that is not defined, or if the user is gone.
        """
        effects = self._effects("role.granted", user, name)
        change = self._store.change(user.id, grant=[name], now=self._clock(), effects=effects)
        if change is None:  # pragma: no cover - deleted in between, which only a race reaches
            raise NotFoundError
        if change.granted:
            self._events.record("role_granted", user_id=user.id, role=name)
        return bool(change.granted)

    def revoke(self, user: User, name: str) -> bool:
        """Take a role away, for whoever runs the service; return whether the user had it.

        Raises `LastAdministratorError`, and `NotFoundError` if the user is gone.
        """
        effects = self._effects("role.revoked", user, name)
        change = self._store.change(user.id, revoke=[name], now=self._clock(), effects=effects)
        if change is None:  # pragma: no cover - deleted in between, which only a race reaches
            raise NotFoundError
        if change.revoked:
            self._events.record("role_revoked", user_id=user.id, role=name)
        return bool(change.revoked)

    def _has_room_for(self, name: str) -> bool:
        """Return whether a role may have that name; of several at once, some may come too many."""
        names = {role.name for role in self._store.list()}
        return name in names or len(names) < MAX_ROLES

    def _effects(self, word: AuditWord, user: User, name: str) -> Mapping[str, Effects]:
        return {name: self._trail.effects(word, actor=COMMAND, subject=user.id, role=name)}


def _actor(caller: Caller | None) -> str:
    return COMMAND if caller is None else caller.user_id


def _authority(caller: Caller | None) -> Authority | None:
    return None if caller is None else Authority(caller.user_id, ROLES_WRITE)
