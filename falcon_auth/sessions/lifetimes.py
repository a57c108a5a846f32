"""How long sessions and their refresh tokens live, and when a session is over."""

from __future__ import annotations

from dataclasses import dataclass

from falcon_auth.models import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """Lifetimes in seconds; `per_user` is the maximum number of sessions.

    Every point in time below is in epoch seconds.
    """

    refresh: float
    session: float
    grace: float
    leeway: float
    per_user: int

    def refresh_expiry(self, *, created_at: float, now: float) -> float:
        """Return when a refresh token issued now expires; never after its session does."""
        return min(now + self.refresh, created_at + self.session)

    def over_at(self, session: Session, now: float) -> float | None:
        """Return when a session ended or expired; None if it is live."""
        if session.ended_at is not None:
            return session.ended_at
        expired_at = session.expires_at + self.leeway
        return expired_at if expired_at <= now else None

    def within_grace(self, session: Session, spent: int, now: float) -> bool:
        """Return whether to repeat the successor of a spent token, whose answer may be lost.

        That holds for the generation right before the session's, within the grace.
        """
        # The distance, not the difference: another process's clock may be slightly ahead.
        recent = abs(now - session.last_used_at) <= self.grace
        return self.grace > 0 and recent and session.generation == spent + 1
