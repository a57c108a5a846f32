"""The records in memory with their indexes. Callers hold the store's lock."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import deque
from dataclasses import replace
from itertools import islice

from falcon_auth.errors import AuthError, DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import Session, User
from falcon_auth.store.directory import Position, position_of

MINUTE = 60  # Seconds; open sessions are indexed by the minute in which they expire.


class UserTable:
    """Users by id, by e-mail key and by user name, and in the order of the directory."""

    def __init__(self) -> None:
        self.by_id: dict[str, User] = {}
        self.id_by_email: dict[str, str] = {}
        self._id_by_username: dict[str | None, str] = {}  # Never contains None.
        self._in_order: list[str] = []  # Ids, oldest first: new users go to the end.

    def find_by_email(self, key: str) -> User | None:
        """Return the user with that e-mail key."""
        user_id = self.id_by_email.get(key)
        return None if user_id is None else self.by_id[user_id]

    def conflict_of(self, user: User) -> type[AuthError] | None:
        """Return why a user cannot be stored: the address is taken, or else the name."""
        if self.id_by_email.get(user.email_key, user.id) != user.id:
            return DuplicateEmailError
        if self._id_by_username.get(user.username_key, user.id) != user.id:
            return DuplicateUsernameError
        return None

    def add(self, user: User) -> None:
        """Add a user without a conflict."""
        self.by_id[user.id] = user
        self.id_by_email[user.email_key] = user.id
        if user.username_key is not None:
            self._id_by_username[user.username_key] = user.id
        insort(self._in_order, user.id, key=self._position_of_id)

    def list_newest(self, *, after: Position, limit: int) -> list[User]:
        """Return up to *limit* users who come after that place, newest first."""
        end = bisect_left(self._in_order, after, key=self._position_of_id)
        ids = self._in_order[max(0, end - limit) : end]
        return [self.by_id[user_id] for user_id in reversed(ids)]

    def replace(self, user: User) -> None:
        """Replace the previous state of a user without a conflict."""
        former = self.by_id[user.id]
        if (former.email_key, former.username_key) != (user.email_key, user.username_key):
            self.remove(former)
            self.add(user)
        else:
            self.by_id[user.id] = user

    def remove(self, user: User) -> None:
        """Remove a user."""
        place = bisect_left(self._in_order, position_of(user), key=self._position_of_id)
        del self._in_order[place]
        del self.by_id[user.id]
        del self.id_by_email[user.email_key]
        self._id_by_username.pop(user.username_key, None)

    def _position_of_id(self, user_id: str) -> Position:
        return position_of(self.by_id[user_id])


class SessionTable:
    """Sessions by id, open sessions by user, and two indexes for sweeping.

    The indexes are the open sessions by the minute in which they expire, with a heap of those
    minutes, and the ended sessions in the order of their end. No session is in both.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, Session] = {}
        self.open_ids: dict[str, tuple[str, ...]] = {}  # By user, oldest first.
        self._expiring: dict[int, dict[str, None]] = {}
        self._minutes: list[int] = []
        self._ended: deque[tuple[float, str]] = deque()

    def add(self, session: Session) -> None:
        """Add a session, open or ended."""
        self.by_id[session.id] = session
        if session.ended_at is None:
            self.open_ids[session.user_id] = (*self.open_ids.get(session.user_id, ()), session.id)
            self._expect_expiry(session)
        else:
            self._ended.append((session.ended_at, session.id))

    def sort_ended(self) -> None:
        """Sort the ended sessions by end time, after loading them in any order."""
        self._ended = deque(sorted(self._ended))

    def open_of(self, user_id: str) -> list[Session]:
        """Return the sessions that have not ended, in the order of their log-ins."""
        return [self.by_id[name] for name in self.open_ids.get(user_id, ())]

    def rotate(self, session: Session, *, now: float, expires_at: float) -> Session:
        """Advance an open session by one generation; return its new state."""
        self._expect_no_expiry(session)
        rotated = replace(
            session,
            generation=session.generation + 1,
            last_used_at=now,
            expires_at=expires_at,
        )
        self._expect_expiry(rotated)
        self.by_id[session.id] = rotated
        return rotated

    def confirm(self, session: Session, auth_time: float, amr: tuple[str, ...]) -> Session:
        """Record a new authentication in an open session; return its new state."""
        confirmed = replace(session, auth_time=auth_time, amr=amr)
        self.by_id[session.id] = confirmed
        return confirmed

    def end(self, session: Session, now: float) -> None:
        """End an open session."""
        self.by_id[session.id] = replace(session, ended_at=now)
        self._close(session)
        self._ended.append((now, session.id))

    def end_all_of(self, user_id: str, now: float, keep: str | None = None) -> int:
        """End the open sessions of a user, expired ones too: their leeway may still run."""
        ending = [session for session in self.open_of(user_id) if session.id != keep]
        for session in ending:
            self.end(session, now)
        return len(ending)

    def forget_all_of(self, user_id: str) -> int:
        """Remove every session of a user; return how many were open.

        Takes time proportional to all sessions that ended within the last hour.
        """
        still_open = self.open_of(user_id)
        for session in still_open:
            self._close(session)
            del self.by_id[session.id]
        ended = [name for _, name in self._ended if self.by_id[name].user_id == user_id]
        if ended:
            for name in ended:
                del self.by_id[name]
            self._ended = deque(each for each in self._ended if each[1] in self.by_id)
        return len(still_open)

    def make_room(self, user_id: str, limit: int, now: float) -> int:
        """End a user's least recently refreshed sessions until one more fits; return how many."""
        live = self.open_of(user_id)
        excess = max(0, len(live) - (limit - 1))
        if excess:
            for session in sorted(live, key=lambda each: each.last_used_at)[:excess]:
                self.end(session, now)
        return excess

    def sweep_ended(self, ended_before: float, limit: int) -> list[str]:
        """Remove up to *limit* sessions that ended before *ended_before*; return their ids."""
        swept: list[str] = []
        while len(swept) < limit and self._ended and self._ended[0][0] < ended_before:
            swept.append(self._ended.popleft()[1])
            del self.by_id[swept[-1]]
        return swept

    def sweep_expired(self, expired_before: float, limit: int) -> tuple[int, bool]:
        """Remove expired sessions; return how many, and whether there may be more."""
        swept = 0
        while self._minutes and self._minutes[0] * MINUTE < expired_before:
            if limit <= 0:
                return swept, True
            bucket = self._expiring[self._minutes[0]]
            looked_at = [self.by_id[name] for name in islice(bucket, limit)]
            limit -= len(looked_at) + 1  # A minute without sessions takes time as well.
            expired = [each for each in looked_at if each.expires_at < expired_before]
            for session in expired:
                self._close(session)
                del self.by_id[session.id]
            swept += len(expired)
            if len(expired) < len(looked_at):  # This minute is not over yet.
                return swept, False
            if not bucket:
                del self._expiring[heapq.heappop(self._minutes)]
        return swept, False

    def _close(self, session: Session) -> None:
        """Remove a session from the indexes of open sessions."""
        self._expect_no_expiry(session)
        left = tuple(name for name in self.open_ids[session.user_id] if name != session.id)
        if left:
            self.open_ids[session.user_id] = left
        else:
            del self.open_ids[session.user_id]

    def _expect_expiry(self, session: Session) -> None:
        minute = int(session.expires_at // MINUTE)
        if minute not in self._expiring:
            self._expiring[minute] = {}
            heapq.heappush(self._minutes, minute)
        self._expiring[minute][session.id] = None

    def _expect_no_expiry(self, session: Session) -> None:
        del self._expiring[int(session.expires_at // MINUTE)][session.id]
