"""The user's own account: show everything stored about it, rename it, delete it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from falcon_auth.accounts.rules import check_username, username_violations
from falcon_auth.audit.trail import Trail
from falcon_auth.errors import RevokedTokenError, Violation
from falcon_auth.models import Caller, Session, User
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.store import UserStore

# What a capability stores about a user, in the form that clients see.
Section = Callable[[User], Sequence[object]]


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that is stored about a user."""

    user: User
    sessions: Sequence[Session]
    sections: Mapping[str, Sequence[object]]


class OwnAccount:
    """The use cases of the caller's own account. Safe to call from any thread.

    *sections* map the name that clients see to what another capability stores about the user.
    """

    def __init__(
        self,
        users: UserStore,
        sessions: Sessions,
        sections: Mapping[str, Section],
        trail: Trail,
        *,
        clock: Callable[[], float],
        events: Events = LOG_ONLY,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._sections = sections
        self._trail = trail
        self._clock = clock
        self._events = events

    def show(self, caller: Caller) -> Kept:
        """Return everything that is stored about the caller."""
        sections = {name: section(caller.user) for name, section in self._sections.items()}
        return Kept(caller.user, list(self._sessions.list(caller)), sections)

    def violations(self, *, username: str | None) -> list[Violation]:
        """Return the violations that `rename` would raise."""
        return username_violations(username)

    def rename(self, caller: Caller, username: str | None) -> User:
        """Change or remove the caller's user name; return the changed user.

        Raises `InvalidBodyError`, `DuplicateUsernameError`; `RevokedTokenError` if the user has
        been deleted meanwhile.
        """
        check_username(username)
        effects = self._trail.effects("user.renamed", actor=caller.user_id, subject=caller.user_id)
        user = self._users.rename(caller.user_id, username, now=self._clock(), effects=effects)
        if user is None:
            raise RevokedTokenError
        self._events.record("user_renamed", user_id=user.id)
        return user

    def delete(self, caller: Caller) -> None:
        """Delete the caller at once. Of two concurrent calls the second is a no-op."""
        effects = self._trail.effects("user.deleted", actor=caller.user_id, subject=caller.user_id)
        change = self._users.delete(caller.user_id, effects=effects)
        if change is not None:
            self._events.record("user_deleted", user_id=caller.user_id)
            self._events.record(
                "sessions_ended", count=change.ended, user_id=caller.user_id, reason="deleted"
            )
