"""The sessions in memory."""

from __future__ import annotations

from dataclasses import replace

from falcon_auth.models import NO_EFFECTS, Effects, Login, Session, User
from falcon_auth.store import Opening, Rotation
from falcon_auth.stores.memory.state import MemoryState


class MemorySessions:
    """A `SessionStore` in dicts; every path that a request takes is O(1).

    Listing, ending and capping a user's sessions take time proportional to that user's open
    sessions, whose number the cap bounds.
    """

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    @property
    def count(self) -> int:
        """The number of stored sessions: live, expired, and ended within the last hour."""
        return len(self._state.sessions.by_id)

    def open(
        self, session: Session, *, login: Login, limit: int, effects: Effects = NO_EFFECTS
    ) -> Opening | None:
        """Check the user, make room, and add the session under one lock."""
        with self._state.lock:
            user = self._state.users.by_id.get(session.user_id)
            if (
                user is None
                or not user.is_active
                or user.password_version != login.user.password_version
                or user.factors_version != login.user.factors_version
            ):
                return None
            if login.use is not None:
                self._state.factors.spend(login.use)
            if login.identity is not None:
                self._state.identities.use(login.identity)
            user = replace(user, last_login_at=session.created_at)
            if login.upgraded_hash and user.password_hash == login.user.password_hash:
                user = replace(user, password_hash=login.upgraded_hash)
            self._state.users.replace(user)
            evicted = self._state.sessions.make_room(user.id, limit, session.created_at)
            self._state.sessions.add(session)
            self._state.changed(effects)
            return Opening(user, evicted)

    def find(self, session_id: str) -> tuple[Session, User] | None:
        """Look the id up."""
        with self._state.lock:
            session = self._state.sessions.by_id.get(session_id)
            return None if session is None else (session, self._state.users.by_id[session.user_id])

    def rotate(
        self, session_id: str, *, expected: int, now: float, expires_at: float
    ) -> Rotation | None:
        """Compare and set under one lock."""
        with self._state.lock:  # Held across the read and the write.
            session = self._state.sessions.by_id.get(session_id)
            if session is None or session.ended_at is not None:
                return None
            if session.generation != expected:
                return Rotation(session, won=False)
            rotated = self._state.sessions.rotate(session, now=now, expires_at=expires_at)
            self._state.changed(NO_EFFECTS)
            return Rotation(rotated, won=True)

    def end(self, session_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> bool:
        """End it, if it is open, under one lock."""
        with self._state.lock:
            session = self._state.sessions.by_id.get(session_id)
            if session is None or session.ended_at is not None:
                return False
            self._state.sessions.end(session, now)
            self._state.changed(effects)
            return True

    def end_all_of(self, user_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> int:
        """End all open ones under one lock."""
        with self._state.lock:
            ended = self._state.sessions.end_all_of(user_id, now)
            if ended:
                self._state.changed(effects)
            return ended

    def list_live(self, user_id: str, *, now: float) -> list[Session]:
        """Return the open ones that have not expired, newest first."""
        with self._state.lock:
            open_ones = self._state.sessions.open_of(user_id)
            return [each for each in open_ones if each.expires_at > now][::-1]

    def sweep(self, *, expired_before: float, ended_before: float, limit: int) -> bool:
        """Delete a slice; for 500 sessions the lock is held for about 1 ms."""
        with self._state.lock:
            ended = len(self._state.sessions.sweep_ended(ended_before, limit))
            if ended == limit:
                self._state.changed(NO_EFFECTS)
                return True
            expired, more = self._state.sessions.sweep_expired(expired_before, limit)
            if ended or expired:
                self._state.changed(NO_EFFECTS)
            return more
