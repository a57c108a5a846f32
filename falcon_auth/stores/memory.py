"""The memory store: dicts behind one lock, for tests and single-process deployments."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from threading import Lock

from falcon_auth.errors import AuthError, DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import Login, Session, User
from falcon_auth.sessions import Rotation

MINUTE = 60  # Seconds: sessions are looked through for expired ones by the minute of their end.


class MemoryStore:
    """Users and sessions in dicts; every path that a request takes is O(1).

    (Listing, ending and capping a user's sessions take time with that user's open ones, which
    the cap bounds.) Records are frozen: what is handed out is never changed afterwards.
    Implements `UserStore` and `SessionStore`; lost on restart, for one process.
    """

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._id_by_email: dict[str, str] = {}
        self._id_by_username: dict[str, str] = {}
        self._sessions: dict[str, Session] = {}
        self._open_of: dict[str, tuple[str, ...]] = {}  # By user, oldest first.
        # What the sweep looks at: the open ones by the minute in which they expire, with a heap of
        # those minutes; and the ended ones in the order of their ends. No session is in both.
        self._expiring: dict[int, dict[str, None]] = {}
        self._minutes: list[int] = []
        self._ended: deque[tuple[float, str]] = deque()
        self._changes = 0
        self._lock = Lock()

    # --- UserStore

    def add_user(self, user: User, session: Session | None = None) -> None:
        """See `UserStore`."""
        with self._lock:  # Held across both checks and the inserts: check-and-insert.
            if user.email_key in self._id_by_email:
                raise DuplicateEmailError
            if user.username_key in self._id_by_username:
                raise DuplicateUsernameError
            self._put_user(user)
            if session is not None:
                self._put_session(session)

    def add_users(self, users: Sequence[User]) -> dict[str, type[AuthError]]:
        """See `UserStore`."""
        refused: dict[str, type[AuthError]] = {}
        with self._lock:
            for user in users:
                if user.email_key in self._id_by_email:
                    refused[user.id] = DuplicateEmailError
                elif user.username_key in self._id_by_username:
                    refused[user.id] = DuplicateUsernameError
                else:
                    self._put_user(user)
        return refused

    def list_users(self, *, after: str, limit: int) -> list[User]:
        """See `UserStore`. Takes time with all users: for whoever runs the service."""
        with self._lock:
            keys = heapq.nsmallest(limit, (key for key in self._id_by_email if key > after))
            return [self._users[self._id_by_email[key]] for key in keys]

    def find_by_email(self, key: str) -> User | None:
        """See `UserStore`."""
        with self._lock:
            user_id = self._id_by_email.get(key)
            return None if user_id is None else self._users[user_id]

    def change_password(
        self, user: User, password_hash: str, *, keep_session: str, now: float
    ) -> bool:
        """See `UserStore`."""
        with self._lock:
            stored = self._users.get(user.id)
            if (
                stored is None
                or not stored.is_active
                or stored.password_version != user.password_version
                or keep_session not in self._open_of.get(user.id, ())
            ):
                return False
            self._users[user.id] = replace(
                stored,
                password_hash=password_hash,
                password_version=stored.password_version + 1,
                updated_at=now,
            )
            self._changes += 1
            self._end_all(user.id, now, keep=keep_session)
            return True

    def set_active(self, user_id: str, *, active: bool, now: float) -> bool:
        """See `UserStore`."""
        with self._lock:
            user = self._users.get(user_id)
            if user is None:
                return False
            self._users[user_id] = replace(user, is_active=active, updated_at=now)
            if not active:
                self._end_all(user_id, now)
            self._changes += 1
            return True

    # --- SessionStore

    @property
    def session_count(self) -> int:
        """How many sessions are kept: live, expired, and ended within the hour."""
        return len(self._sessions)

    def add(self, session: Session, *, login: Login, limit: int) -> User | None:
        """See `SessionStore`."""
        with self._lock:
            user = self._users.get(session.user_id)
            if (
                user is None
                or not user.is_active
                or user.password_version != login.user.password_version
            ):
                return None
            user = replace(user, last_login_at=session.created_at)
            if login.upgraded_hash and user.password_hash == login.user.password_hash:
                user = replace(user, password_hash=login.upgraded_hash)
            self._users[user.id] = user
            self._make_room(user.id, limit, session.created_at)
            self._put_session(session)
            return user

    def find(self, session_id: str) -> tuple[Session, User] | None:
        """See `SessionStore`."""
        with self._lock:
            session = self._sessions.get(session_id)
            return None if session is None else (session, self._users[session.user_id])

    def advance(
        self, session_id: str, *, expected: int, now: float, expires_at: float
    ) -> Rotation | None:
        """See `SessionStore`."""
        with self._lock:  # Held across the read and the write: compare-and-set.
            session = self._sessions.get(session_id)
            if session is None or session.ended_at is not None:
                return None
            if session.generation != expected:
                return Rotation(session, won=False)
            self._expect_no_expiry(session)
            session = replace(
                session, generation=expected + 1, last_used_at=now, expires_at=expires_at
            )
            self._expect_expiry(session)
            self._sessions[session_id] = session
            self._changes += 1
            return Rotation(session, won=True)

    def end(self, session_id: str, *, now: float) -> bool:
        """See `SessionStore`."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None or session.ended_at is not None:
                return False
            self._end(session, now)
            return True

    def end_all(self, user_id: str, *, now: float) -> int:
        """See `SessionStore`."""
        with self._lock:
            return self._end_all(user_id, now)

    def list_live(self, user_id: str, *, now: float) -> list[Session]:
        """See `SessionStore`."""
        with self._lock:
            return [each for each in self._open(user_id) if each.expires_at > now][::-1]

    def sweep(self, *, expired_before: float, ended_before: float, limit: int) -> bool:
        """See `SessionStore`."""
        with self._lock:
            return self._sweep_ended(ended_before, limit) or self._sweep_expired(
                expired_before, limit
            )

    # --- The snapshot

    @property
    def changes(self) -> int:
        """A number that grows with every change, so that a snapshot knows when to write."""
        return self._changes

    def dump(self) -> tuple[list[User], list[Session]]:
        """Return all records as they stand at one moment."""
        with self._lock:
            return list(self._users.values()), list(self._sessions.values())

    def load(self, users: Iterable[User], sessions: Iterable[Session]) -> None:
        """Take records into an empty store.

        Raises `DuplicateEmailError` or `DuplicateUsernameError` where two users claim the same,
        and `ValueError` for a session without its user; the store is then not fit for use.
        """
        with self._lock:
            for user in users:
                if user.email_key in self._id_by_email or user.id in self._users:
                    raise DuplicateEmailError
                if user.username_key in self._id_by_username:
                    raise DuplicateUsernameError
                self._put_user(user)
            for session in sessions:
                if session.user_id not in self._users or session.id in self._sessions:
                    message = "has a session that belongs to no user, or one twice"
                    raise ValueError(message)
                self._put_session(session)
            self._ended = deque(sorted(self._ended))  # The sweep goes by the order of their ends.

    # --- Steps of the above; the caller holds the lock

    def _put_user(self, user: User) -> None:
        self._users[user.id] = user
        self._id_by_email[user.email_key] = user.id
        if user.username_key is not None:
            self._id_by_username[user.username_key] = user.id
        self._changes += 1

    def _put_session(self, session: Session) -> None:
        self._sessions[session.id] = session
        if session.ended_at is None:
            self._open_of[session.user_id] = (*self._open_of.get(session.user_id, ()), session.id)
            self._expect_expiry(session)
        else:
            self._ended.append((session.ended_at, session.id))
        self._changes += 1

    def _expect_expiry(self, session: Session) -> None:
        minute = int(session.expires_at // MINUTE)
        if minute not in self._expiring:
            self._expiring[minute] = {}
            heapq.heappush(self._minutes, minute)
        self._expiring[minute][session.id] = None

    def _expect_no_expiry(self, session: Session) -> None:
        del self._expiring[int(session.expires_at // MINUTE)][session.id]

    def _open(self, user_id: str) -> list[Session]:
        """Return the sessions that were not ended, in the order of their log-ins."""
        return [self._sessions[name] for name in self._open_of.get(user_id, ())]

    def _make_room(self, user_id: str, limit: int, now: float) -> None:
        live = self._open(user_id)
        excess = len(live) - (limit - 1)
        if excess > 0:
            for session in sorted(live, key=lambda each: each.last_used_at)[:excess]:
                self._end(session, now)

    def _end(self, session: Session, now: float) -> None:
        self._sessions[session.id] = replace(session, ended_at=now)
        self._close(session)
        self._ended.append((now, session.id))
        self._changes += 1

    def _end_all(self, user_id: str, now: float, keep: str | None = None) -> int:
        # Expired ones too: their tokens are accepted until the leeway is over.
        ending = [session for session in self._open(user_id) if session.id != keep]
        for session in ending:
            self._end(session, now)
        return len(ending)

    def _close(self, session: Session) -> None:
        """Take a session out of what is kept of the open ones."""
        self._expect_no_expiry(session)
        left = tuple(name for name in self._open_of[session.user_id] if name != session.id)
        if left:
            self._open_of[session.user_id] = left
        else:
            del self._open_of[session.user_id]

    def _sweep_ended(self, ended_before: float, limit: int) -> bool:
        for _ in range(limit):
            if not self._ended or self._ended[0][0] >= ended_before:
                return False
            del self._sessions[self._ended.popleft()[1]]
            self._changes += 1
        return True

    def _sweep_expired(self, expired_before: float, limit: int) -> bool:
        while self._minutes and self._minutes[0] * MINUTE < expired_before:
            if limit <= 0:
                return True
            bucket = self._expiring[self._minutes[0]]
            looked_at = [self._sessions[name] for name in islice(bucket, limit)]
            limit -= len(looked_at) + 1  # An empty minute takes time as well.
            expired = [each for each in looked_at if each.expires_at < expired_before]
            for session in expired:
                self._close(session)
                del self._sessions[session.id]
                self._changes += 1
            if len(expired) < len(looked_at):  # This minute is not over yet.
                return False
            if not bucket:
                del self._expiring[heapq.heappop(self._minutes)]
        return False


store = MemoryStore()  # The process-wide instance; tests build their own.
