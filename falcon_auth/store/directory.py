"""The directory: all users, as administrators look through them and change them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple, Protocol

from falcon_auth.models import NO_EFFECTS, Effects, User
from falcon_auth.store.roles import Authority

# Users that one page looks at where no index finds those who are wanted: some ten milliseconds.
EXAMINED = 10_000


class Position(NamedTuple):
    """A place in the order of the users, by the time they were created and then by id.

    Both never change, so that a user keeps the same place.
    """

    created_at: float
    user_id: str


NEWEST = Position(math.inf, "ffffffff-ffff-ffff-ffff-ffffffffffff")  # Before the first page.


def position_of(user: User) -> Position:
    """Return a user's place."""
    return Position(user.created_at, user.id)


@dataclass(frozen=True, slots=True)
class Search:
    """Which users are wanted; None stands for all."""

    text: str | None = None  # A part of the e-mail key, or of the user name in lower case.
    role: str | None = None
    active: bool | None = None

    def matches(self, user: User) -> bool:
        """Return whether a user is wanted."""
        return (
            (self.text is None or self.text in user.email_key or self._is_in_name(user))
            and (self.role is None or self.role in user.roles)
            and (self.active is None or self.active == user.is_active)
        )

    def _is_in_name(self, user: User) -> bool:
        name = user.username_key
        return name is not None and self.text is not None and self.text in name


class Page(NamedTuple):
    """Some of the users who are wanted, and where the next page begins: None after the last."""

    users: Sequence[User]
    next: Position | None


class Unchanged(Enum):
    """What stands for "as it is", where None stands for something else."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What is to change about a user; None leaves it as it is. By default nothing changes."""

    is_active: bool | None = None  # False ends all sessions as well.
    email_verified: bool | None = None
    username: str | Unchanged | None = UNCHANGED  # None takes the name away.
    roles: frozenset[str] | None = None  # All that the user has from then on.
    end_sessions: bool = False
    remove_factors: bool = False  # The recovery codes as well.

    @property
    def ends_sessions(self) -> bool:
        """Whether no session goes on."""
        return self.end_sessions or self.is_active is False

    def apply_to(self, user: User, *, now: float) -> User:
        """Return the user as changed, with the former roles."""
        verified = user.email_verified if self.email_verified is None else self.email_verified
        removes = self.remove_factors and user.factor_count > 0
        changed = replace(
            user,
            is_active=user.is_active if self.is_active is None else self.is_active,
            email_verified=verified,
            email_version=user.email_version + (verified != user.email_verified),
            username=user.username if isinstance(self.username, Unchanged) else self.username,
            factor_count=0 if removes else user.factor_count,
            factors_version=user.factors_version + removes,
        )
        others = self.roles is not None and self.roles != {*user.roles}
        return replace(changed, updated_at=now) if others or changed != user else user


class Changed(NamedTuple):
    """A change of a user that took place, and how many sessions it ended."""

    before: User
    after: User
    ended: int


EffectsOf = Callable[[Changed], Effects]


def no_effects(_changed: Changed) -> Effects:
    """Return none."""
    return NO_EFFECTS


class DirectoryStore(Protocol):
    """The directory of all users."""

    def find_page(self, search: Search, *, after: Position, limit: int) -> Page:
        """Return up to *limit* users who are wanted, newest first, of those who come after *after*.

        Whoever follows the pages sees everybody once who is there all the while, and whoever comes
        or goes meanwhile once at most. Before the end, a page may hold fewer users, or none: where
        no index finds those who are wanted, it ends after `EXAMINED` users were looked at, so that
        every page takes a bounded time.
        """

    def change(
        self,
        user_id: str,
        change: UserChange,
        *,
        by: Authority | None = None,
        now: float,
        effects: EffectsOf = no_effects,
    ) -> Changed | None:
        """Change all of it, or nothing; None if the user is unknown.

        Touches the scopes of the user and of the roles that are new. *effects* is called with what
        is about to change: it returns what is written with it, and may raise a refusal instead.
        Raises `DuplicateUsernameError`, `LastAdministratorError`, and `NotFoundError` where a role
        is not defined.
        """
