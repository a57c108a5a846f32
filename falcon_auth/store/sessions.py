"""The sessions: opened, rotated, ended, swept."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from falcon_auth.models import NO_EFFECTS, Effects, Login, Session, User


class Rotation(NamedTuple):
    """A session after an attempt to rotate it, and whether this attempt succeeded."""

    session: Session
    won: bool


class Opening(NamedTuple):
    """An opened session: its user's current state, and how many others were ended to make room."""

    user: User
    evicted: int


class SessionStore(Protocol):
    """The sessions. Ended ones are kept until they are swept."""

    def open(
        self, session: Session, *, login: Login, limit: int, effects: Effects = NO_EFFECTS
    ) -> Opening | None:
        """Store a new session, and record the log-in that opened it.

        Sets the user's `last_login_at`, and replaces the password hash with `login.upgraded_hash`
        if the stored hash is still the one that was checked. The user's least recently refreshed
        sessions are ended until *limit* are left. Returns None, and changes nothing, if the user is
        gone or disabled, or if the password or the factors have changed since they were checked.

        `login.use` is spent in the same step: raises `FactorInvalidError`, and changes nothing, if
        it was spent before. Of many concurrent callers with the same use, exactly one succeeds.
        So is `login.identity`, as `IdentityStore.use` does: raises `RevokedTokenError`.
        """

    def find(self, session_id: str) -> tuple[Session, User] | None:
        """Return a session, live or ended, with its user."""

    def rotate(
        self, session_id: str, *, expected: int, now: float, expires_at: float
    ) -> Rotation | None:
        """Advance a live session from generation *expected*, and return its state afterwards.

        Of many concurrent callers, exactly one wins; the others get the state that it left. Returns
        None if the session has ended or never existed. Repeatable: a repetition after a lost
        response gets the state that the first call left.
        """

    def end(self, session_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> bool:
        """End a session; return whether it was open. Ending one that has ended changes nothing."""

    def end_all_of(self, user_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> int:
        """End every open session of a user; return how many there were.

        The effects are written if there was at least one.
        """

    def list_live(self, user_id: str, *, now: float) -> list[Session]:
        """Return the user's sessions that are neither ended nor expired, newest first."""

    def sweep(self, *, expired_before: float, ended_before: float, limit: int) -> bool:
        """Delete up to about *limit* sessions that expired or ended before those times.

        Returns whether there may be more.
        """

    @property
    def count(self) -> int:
        """The number of stored sessions, live or not. Fast, and possibly a little out of date."""
