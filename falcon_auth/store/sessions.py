"""The sessions: opened, rotated, ended, swept."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from falcon_auth.models import NO_EFFECTS, Effects, Login, Session, User


class Rotation(NamedTuple):
    """A session after an attempt to rotate it, and whether this attempt succeeded."""

    session: Session
    won: bool


class Opening(NamedTuple):
    """A session that was opened: its user as it is now, and how many others made room for it."""

    user: User
    evicted: int


class SessionStore(Protocol):
    """The sessions. Ended ones stay known until they are swept."""

    def open(
        self, session: Session, *, login: Login, limit: int, effects: Effects = NO_EFFECTS
    ) -> Opening | None:
        """Remember a new session and the log-in that opened it.

        Sets the user's `last_login_at`, and its hash to `login.upgraded_hash` where the stored
        hash is still the one that was checked. Of the user's live sessions the least recently
        refreshed are ended until *limit* are left. Returns None, and changes nothing, if the user
        is gone or disabled, or password or factors were changed since they were checked.

        `login.use` is spent in the same step: raises `FactorInvalidError`, and changes nothing,
        if it was spent before. Of many concurrent callers with one use exactly one succeeds.
        """

    def find(self, session_id: str) -> tuple[Session, User] | None:
        """Return a session, live or ended, with its user."""

    def rotate(
        self, session_id: str, *, expected: int, now: float, expires_at: float
    ) -> Rotation | None:
        """Move a live session on from generation *expected*; return how it stands then.

        Of many concurrent callers exactly one wins; the others see what it left. Returns
        None if the session was ended or never existed. Can be repeated: the repeat sees
        what one whose answer was lost left behind.
        """

    def end(self, session_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> bool:
        """End a session; return whether it was live. Ending one that is over changes nothing."""

    def end_all_of(self, user_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> int:
        """End every live session of a user; return how many there were.

        The effects are written where there was one at least.
        """

    def list_live(self, user_id: str, *, now: float) -> list[Session]:
        """Return the user's sessions that are neither ended nor expired, newest first."""

    def sweep(self, *, expired_before: float, ended_before: float, limit: int) -> bool:
        """Forget sessions that expired or ended before those times, about *limit* of them.

        Returns whether there may be more.
        """

    @property
    def count(self) -> int:
        """The number of stored sessions, live or not. Fast, and possibly a little out of date."""
