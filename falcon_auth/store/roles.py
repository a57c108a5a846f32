"""The roles: defined, deleted, granted to users and revoked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from falcon_auth.models import NO_EFFECTS, Effects, Role, User


@dataclass(frozen=True, slots=True)
class Authority:
    """In whose name an administrative change is made, and the scope that it takes.

    A method that is given one decides on the actor's scopes as they are when the change is made:
    it raises `InsufficientScopeError` where the actor lacks that scope or one that the change
    touches, and `RevokedTokenError` where the actor is disabled or deleted. Without one, the
    change is made by whoever runs the service, or by users for themselves.
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
        """Remember a definition, in the place of the former one of that name.

        Returns whether it differs from the former; only then the effects are written. Touches the
        scopes of both definitions, and those of every user who has the role.
        """

    def delete(
        self, name: str, *, by: Authority | None = None, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Forget a definition and take the role from everybody; return whether it was there.

        Touches the scopes of the role, and those of every user who has it.
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
        """Grant roles to a user and revoke others; None, and nothing is changed, if unknown.

        *effects* are those of each role by its name; they are written for roles that were granted
        or revoked. Touches the scopes of the user and of the roles named in *grant*. Raises
        `NotFoundError` where one of them is not defined.
        """
