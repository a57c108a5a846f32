"""The roles: defined, deleted, granted to users and revoked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from falcon_auth.models import NO_EFFECTS, Effects, Role, User


@dataclass(frozen=True, slots=True)
class Authority:
    """The user on whose authority an administrative change is made, and the scope that it requires.

    A method with an authority checks the actor's scopes at the moment of the change. It raises
    `InsufficientScopeError` if the actor lacks that scope or one that the change affects, and
    `RevokedTokenError` if the actor is disabled or deleted. Without an authority, the change is
    made by an operator, or by users for themselves.
    """

    actor_id: str
    scope: str


class RoleChange(NamedTuple):
    """A user after a change of roles, and the roles that were granted and revoked by it."""

    user: User
    granted: tuple[str, ...]
    revoked: tuple[str, ...]


UNKNOWN_ROLE = "No role has this name."


def effects_of(effects: Mapping[str, Effects] | None, names: Iterable[str]) -> Effects:
    """Return the effects of the roles with these names, as one."""
    chosen = [effects[name] for name in names if name in effects] if effects else []
    return Effects(
        events=tuple(event for each in chosen for event in each.events),
        messages=tuple(message for each in chosen for message in each.messages),
        failures=tuple(failure for each in chosen for failure in each.failures),
    )


class RoleStore(Protocol):
    """The roles. There is always one named `admin`, with the scope `admin`.

    `User.roles` and `User.scopes` follow every change at once, for every reader.

    An administrator is an active user who has the scope `admin` through any role. No change here
    or in `UserStore` takes the last one away: it raises `LastAdministratorError` instead, and
    changes nothing. Of concurrent changes that would do so together, at least one is refused.
    """

    def list(self) -> list[Role]:
        """Return all definitions, ordered by name."""

    def define(
        self,
        role: Role,
        *,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> bool:
        """Store a definition, replacing any previous one of that name.

        Returns whether it differs from the previous one; only then are the effects written. Affects
        the scopes of both definitions, and those of every user who has the role.
        """

    def delete(
        self, name: str, *, by: Authority | None = None, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Delete a definition and revoke the role from all users; return whether it existed.

        Affects the scopes of the role, and those of every user who has it.
        """

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
        """Grant roles to a user and revoke others; None, and nothing changed, without such a user.

        *effects* are those of each role by name; they are written for the roles that were granted
        or revoked. Affects the scopes of the user and of the roles in *grant*. Raises
        `NotFoundError` if one of these is not defined.
        """
