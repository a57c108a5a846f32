"""Sessions: open, refresh, list and end them, and tell whom an access token speaks for.

A session is one record with a generation number; a refresh token names both. Rotation is
one compare-and-set of that number, so nothing secret is stored and a forged token never
reaches the store (RFC 9700, 4.14.2).
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import structlog

from falcon_auth.errors import (
    ExpiredTokenError,
    InvalidCredentialsError,
    InvalidTokenError,
    NotFoundError,
    ReusedTokenError,
    RevokedTokenError,
)
from falcon_auth.events import NO_EVENTS, Events
from falcon_auth.models import Caller, Client, Login, Session, User
from falcon_auth.tokens import Claims, SignedToken, TokenCodec

ENDED_RETENTION_SECONDS = 3600  # So long is an ended session known, to answer a repeat with 204.
SWEEP_SLICE = 500  # Sessions forgotten in one step: about a millisecond of the store's lock.

log = structlog.get_logger("falcon_auth.sessions")


class Rotation(NamedTuple):
    """A session after an attempt to rotate it, and whether this attempt did it."""

    session: Session
    won: bool


class SessionStore(Protocol):
    """Where sessions live.

    Safe to call from any thread; each method is one atomic step. Any of them raises
    `StoreUnavailableError` when the backend cannot answer, and has then changed nothing.
    Ended sessions stay known until they are swept.
    """

    def add(self, session: Session, *, login: Login, limit: int) -> User | None:
        """Remember a new session and the log-in that opened it; return the user as it is now.

        Sets the user's `last_login_at`, and its hash to `login.upgraded_hash` where the stored
        hash is still the one that was checked. Of the user's live sessions the least recently
        refreshed are ended until *limit* are left. Returns None, and does nothing, if the user
        is gone or disabled, or has changed the password since it was checked.
        """

    def find(self, session_id: str) -> tuple[Session, User] | None:
        """Return a session, live or ended, with its user."""

    def advance(
        self, session_id: str, *, expected: int, now: float, expires_at: float
    ) -> Rotation | None:
        """Move a live session on from generation *expected*; return how it stands then.

        Of many concurrent callers exactly one wins; the others see what it left. Returns
        None if the session was ended or never existed.
        """

    def end(self, session_id: str, *, now: float) -> bool:
        """End a session; return whether it was live. Ending one that is over is a no-op."""

    def end_all(self, user_id: str, *, now: float) -> int:
        """End every live session of a user; return how many there were."""

    def list_live(self, user_id: str, *, now: float) -> list[Session]:
        """Return the user's sessions that are neither ended nor expired, newest first."""

    def sweep(self, *, expired_before: float, ended_before: float, limit: int) -> bool:
        """Forget sessions that expired or ended before those times, about *limit* of them.

        Returns whether there may be more.
        """


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a log-in or a refresh hands out; `issued_at` is in epoch seconds."""

    user: User
    access: SignedToken = field(repr=False)
    refresh: SignedToken = field(repr=False)
    issued_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long things last, in seconds; `per_user` is a number of sessions."""

    refresh: float
    session: float
    grace: float
    leeway: float
    per_user: int


class Sessions:
    """The use cases around sessions. Safe to call from any thread."""

    def __init__(
        self,
        store: SessionStore,
        codec: TokenCodec,
        lifetimes: Lifetimes,
        *,
        clock: Callable[[], float],
        events: Events = NO_EVENTS,
    ) -> None:
        self._store = store
        self._codec = codec
        self._lifetimes = lifetimes
        self._clock = clock
        self._events = events

    def begin(self, user_id: str, client: Client) -> Session:
        """Make the record of a new session; the caller stores it."""
        now = self._clock()
        return Session(
            id=str(uuid.uuid4()),
            user_id=user_id,
            created_at=now,
            last_used_at=now,
            expires_at=self._refresh_expiry(created_at=now, now=now),
            user_agent=client.user_agent,
            ip=client.ip,
        )

    def open(self, login: Login, client: Client) -> TokenPair:
        """Open a session for a user whose password was just checked.

        Raises `InvalidCredentialsError` if the password was changed or the user disabled
        in the meantime.
        """
        session = self.begin(login.user.id, client)
        user = self._store.add(session, login=login, limit=self._lifetimes.per_user)
        if user is None:
            self._events.login_failed("changed")
            raise InvalidCredentialsError
        return self.issue(user, session)

    def issue(self, user: User, session: Session) -> TokenPair:
        """Sign the pair of tokens of a session's current generation."""
        return TokenPair(
            user=user,
            access=self._codec.issue_access(user, session),
            refresh=self._codec.issue_refresh(user, session),
            issued_at=math.floor(self._clock()),
        )

    def refresh(self, token: str) -> TokenPair:
        """Spend a refresh token; return its successor.

        A token spent within the grace is answered with the successor that was issued
        then. Raises `ReusedTokenError`, and ends the session, where a spent token comes back
        later; `RevokedTokenError`, `ExpiredTokenError`, `InvalidTokenError`.
        """
        claims = self._codec.verify_refresh(token)
        session, user = self._live(claims)
        generation = claims.generation or 0
        if generation > session.generation:
            # Only a store that was put back in time knows less than the tokens it issued;
            # what happened since is unknown, so the chain ends here.
            log.warning("session_behind_token", session_id=session.id, user_id=user.id)
            if self._store.end(session.id, now=self._clock()):
                self._events.sessions_ended("behind")
            raise RevokedTokenError
        now = self._clock()
        expires_at = self._refresh_expiry(created_at=session.created_at, now=now)
        if expires_at <= now:  # Within the leeway, but the session's last day is over.
            raise ExpiredTokenError
        rotation = self._store.advance(
            session.id, expected=generation, now=now, expires_at=expires_at
        )
        if rotation is None:
            raise RevokedTokenError
        if not rotation.won and not self._is_lost_answer(rotation.session, generation, now):
            if self._store.end(session.id, now=now):
                self._events.sessions_ended("reuse")
            log.warning("refresh_token_reused", session_id=session.id, user_id=user.id)
            raise ReusedTokenError
        self._events.refreshed("rotated" if rotation.won else "repeated")
        return self.issue(user, rotation.session)

    def authenticate(self, token: str) -> Caller:
        """Tell whom an access token speaks for; one look into the store.

        Raises `RevokedTokenError`, `ExpiredTokenError` or `InvalidTokenError`.
        """
        return self.introspect(token)[1]

    def introspect(self, token: str) -> tuple[Claims, Caller]:
        """Tell what an access token says, and whom it speaks for (RFC 7662).

        A refresh token is no answer to the question whether a request may be served, and never
        accepted. Raises as `authenticate` does.
        """
        claims = self._codec.verify_access(token)
        session, user = self._live(claims)
        return claims, Caller(user, session)

    def log_out(self, token: str) -> None:
        """End the session of a refresh token, be it spent, expired or revoked.

        Raises `InvalidTokenError` for what is no refresh token of this service.
        """
        self._end_session_of(self._codec.verify_refresh(token, even_expired=True))

    def revoke(self, token: str) -> None:
        """End the session of a token (RFC 7009): any refresh token, or a valid access token.

        Whoever holds one may do that. What is no such token is ignored (RFC 7009, 2.2).
        """
        try:
            try:
                claims = self._codec.verify_refresh(token, even_expired=True)
            except InvalidTokenError:
                claims = self._codec.verify_access(token)
            self._end_session_of(claims)
        except InvalidTokenError as error:
            log.info("revocation_ignored", reason=error.reason)
        except ExpiredTokenError:
            log.info("revocation_ignored", reason="expired")

    def list(self, caller: Caller) -> Iterable[Session]:
        """Return the live sessions of the caller's user, newest first."""
        return self._store.list_live(caller.user.id, now=self._clock())

    def end(self, caller: Caller, session_id: str) -> None:
        """End one of the caller's own sessions.

        Raises `NotFoundError` where it is not the caller's: which ids exist is not told.
        """
        found = self._store.find(session_id)
        if found is None or found[0].user_id != caller.user.id:
            raise NotFoundError
        if self._store.end(session_id, now=self._clock()):
            log.info("session_ended", session_id=session_id, user_id=caller.user.id)
            self._events.sessions_ended("revoked")

    def end_all(self, caller: Caller) -> None:
        """End every session of the caller's user, this one too."""
        count = self._store.end_all(caller.user.id, now=self._clock())
        log.info("sessions_ended", count=count, user_id=caller.user.id)
        self._events.sessions_ended("revoked", count)

    def sweep(self) -> bool:
        """Forget some of the sessions that nobody can use any more; return if there may be more."""
        now = self._clock()
        return self._store.sweep(
            expired_before=now - self._lifetimes.leeway,
            ended_before=now - ENDED_RETENTION_SECONDS,
            limit=SWEEP_SLICE,
        )

    def _end_session_of(self, claims: Claims) -> None:
        found = self._store.find(claims.session_id)
        if found is None:
            return
        _check_binding(claims, *found)
        if self._store.end(claims.session_id, now=self._clock()):
            log.info("session_ended", session_id=claims.session_id, user_id=claims.user_id)
            self._events.sessions_ended("logout")

    def _live(self, claims: Claims) -> tuple[Session, User]:
        found = self._store.find(claims.session_id)
        if found is None:
            raise RevokedTokenError
        session, user = found
        _check_binding(claims, session, user)
        if session.ended_at is not None or not user.is_active:
            raise RevokedTokenError
        return session, user

    def _refresh_expiry(self, *, created_at: float, now: float) -> float:
        return min(now + self._lifetimes.refresh, created_at + self._lifetimes.session)

    def _is_lost_answer(self, session: Session, spent: int, now: float) -> bool:
        """Return whether a spent token may get its successor again: one step back, just now."""
        grace = self._lifetimes.grace
        # The distance, not the difference: another process's clock may be slightly ahead.
        recent = abs(now - session.last_used_at) <= grace
        return grace > 0 and recent and session.generation == spent + 1


def _check_binding(claims: Claims, session: Session, user: User) -> None:
    if (session.user_id, user.email) != (claims.user_id, claims.email):
        raise InvalidTokenError("binding")
