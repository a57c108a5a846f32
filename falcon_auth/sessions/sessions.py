"""Sessions: open, refresh, list and end them, and authenticate access tokens.

A session is one record with a generation number; a refresh token names both. Rotation is
one compare-and-set of that number, so nothing secret is stored and a forged token never
reaches the store (RFC 9700, 4.14.2).
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable

from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import NO_MAILS, Mails
from falcon_auth.errors import (
    AuthError,
    ExpiredTokenError,
    InvalidCredentialsError,
    InvalidTokenError,
    NotFoundError,
    ReusedTokenError,
    RevokedTokenError,
)
from falcon_auth.models import (
    PASSWORD_METHOD,
    Caller,
    Client,
    Effects,
    Login,
    Session,
    User,
)
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.sessions.lifetimes import Lifetimes
from falcon_auth.sessions.tokens import AccessToken, Claims, TokenCodec, TokenPair
from falcon_auth.sessions.traces import SessionTraces
from falcon_auth.store import SessionStore

ENDED_RETENTION_SECONDS = 3600  # Ended sessions are kept, so that ending one again answers 204.
SWEEP_SLICE = 500  # Sessions deleted in one step, which holds the store's lock for about 1 ms.


class Sessions:
    """The use cases around sessions. Safe to call from any thread.

    *demand_factor* returns the error to raise for a log-in that still needs a second factor.
    """

    def __init__(
        self,
        store: SessionStore,
        codec: TokenCodec,
        lifetimes: Lifetimes,
        trail: Trail,
        *,
        clock: Callable[[], float],
        demand_factor: Callable[[Login], AuthError],
        mails: Mails = NO_MAILS,
        events: Events = LOG_ONLY,
    ) -> None:
        self._demand_factor = demand_factor
        self._traces = SessionTraces(trail, mails)
        self._store = store
        self._codec = codec
        self._lifetimes = lifetimes
        self._trail = trail
        self._clock = clock
        self._events = events

    def begin(
        self, user_id: str, client: Client, methods: tuple[str, ...] = (PASSWORD_METHOD,)
    ) -> Session:
        """Return the record of a new session; the caller stores it."""
        now = self._clock()
        return Session(
            id=str(uuid.uuid4()),
            user_id=user_id,
            created_at=now,
            last_used_at=now,
            expires_at=self._lifetimes.refresh_expiry(created_at=now, now=now),
            auth_time=now,
            amr=methods,
            user_agent=client.user_agent,
            ip=client.ip,
        )

    def open(self, login: Login, client: Client) -> TokenPair:
        """Open a session for a user who has just proved who they are.

        Every session of an existing user is opened here, so nobody can bypass the second factor:
        raises `SecondFactorRequiredError` if the user has one and only the first was verified.
        Raises `InvalidCredentialsError` if password or factors were changed or the user was
        disabled in the meantime, and `FactorInvalidError` if the second factor was used in the
        meantime.
        """
        if not login.is_complete:
            raise self._demand_factor(login)
        session = self.begin(login.user.id, client, login.methods)
        opening = self._store.open(
            session,
            login=login,
            limit=self._lifetimes.per_user,
            effects=self._traces.opened(session, login),
        )
        if opening is None:
            self._events.record("login_failed", user_id=login.user.id, reason="changed")
            self._trail.record_failed_login(
                account=login.user.email_key, subject=login.user.id, reason="changed"
            )
            raise InvalidCredentialsError
        self._events.record(
            "sessions_ended", count=opening.evicted, user_id=opening.user.id, reason="evicted"
        )
        return self.issue(opening.user, session)

    def issue(self, user: User, session: Session) -> TokenPair:
        """Sign the token pair of a session's current generation."""
        return TokenPair(
            user=user,
            access=self._codec.issue_access(user, session),
            refresh=self._codec.issue_refresh(user, session),
            issued_at=math.floor(self._clock()),
        )

    def issue_access(self, user: User, session: Session) -> AccessToken:
        """Sign another access token for a session."""
        return AccessToken(
            self._codec.issue_access(user, session), issued_at=math.floor(self._clock())
        )

    def refresh(self, token: str) -> TokenPair:
        """Spend a refresh token, and return its successor.

        Within the grace period, a spent token is answered with the same successor again. Raises
        `ReusedTokenError`, and ends the session, if a spent token is presented later; otherwise
        `RevokedTokenError`, `ExpiredTokenError`, `InvalidTokenError`.
        """
        claims = self._codec.verify_refresh(token)
        session, user = self._live(claims)
        generation = claims.generation
        if generation > session.generation:
            # The store must have been restored from a backup, since it is behind the tokens that it
            # issued. What happened since then is unknown, so the session ends.
            self._events.record("session_behind_token", session_id=session.id, user_id=user.id)
            effects = self._traces.ended(session.id, user.id, "behind", actor=None)
            self._end(session.id, user.id, "behind", effects)
            raise RevokedTokenError
        now = self._clock()
        expires_at = self._lifetimes.refresh_expiry(created_at=session.created_at, now=now)
        if expires_at <= now:  # Within the leeway, but the session's last day is over.
            raise ExpiredTokenError
        rotation = self._store.rotate(
            session.id, expected=generation, now=now, expires_at=expires_at
        )
        if rotation is None:
            raise RevokedTokenError
        is_replay = not rotation.won and not self._lifetimes.within_grace(
            rotation.session, generation, now
        )
        if is_replay:
            self._events.record("refresh_token_reused", session_id=session.id, user_id=user.id)
            self._end(session.id, user.id, "reuse", self._traces.reused(session.id, user))
            raise ReusedTokenError
        self._events.record("refreshed", result="rotated" if rotation.won else "repeated")
        return self.issue(user, rotation.session)

    def authenticate(self, token: str) -> Caller:
        """Return the caller that an access token identifies. Reads the store once.

        Raises `RevokedTokenError`, `ExpiredTokenError` or `InvalidTokenError`.
        """
        return self.introspect(token)[1]

    def introspect(self, token: str) -> tuple[Claims, Caller]:
        """Return the claims of an access token and the caller it identifies (RFC 7662).

        A refresh token is never accepted, since it does not authorise requests. Raises as
        `authenticate` does.
        """
        claims = self._codec.verify_access(token)
        session, user = self._live(claims)
        return claims, Caller(user, session)

    def log_out(self, token: str) -> None:
        """End the session of a refresh token, even if it is spent, expired or revoked.

        Raises `InvalidTokenError` for anything but a refresh token of this service.
        """
        self._end_session_of(self._codec.verify_refresh(token, even_expired=True))

    def revoke(self, token: str) -> None:
        """End the session of a token (RFC 7009): any refresh token, or a valid access token.

        The token itself is the credential. Anything else is ignored (RFC 7009, 2.2).
        """
        try:
            claims: Claims
            try:
                claims = self._codec.verify_refresh(token, even_expired=True)
            except InvalidTokenError:
                claims = self._codec.verify_access(token)
            self._end_session_of(claims)
        except InvalidTokenError as error:
            self._events.record("revocation_ignored", reason=error.reason)
        except ExpiredTokenError:
            self._events.record("revocation_ignored", reason="expired")

    def list(self, caller: Caller) -> Iterable[Session]:
        """Return the live sessions of the caller's user, newest first."""
        return self.list_of(caller.user.id)

    def end(self, caller: Caller, session_id: str) -> None:
        """End one of the caller's own sessions.

        One that has ended already stays as it is. Raises `NotFoundError` for other users' sessions,
        so that ids cannot be probed, and for sessions that ended more than an hour ago, whether or
        not they have been swept.
        """
        found = self._store.find(session_id)
        if found is None or found[0].user_id != caller.user.id:
            raise NotFoundError
        now = self._clock()
        over_at = self._lifetimes.over_at(found[0], now)
        if over_at is None:
            user_id = caller.user.id
            effects = self._traces.ended(session_id, user_id, "revoked", actor=user_id)
            self._end(session_id, user_id, "revoked", effects)
        elif over_at <= now - ENDED_RETENTION_SECONDS:
            raise NotFoundError

    def end_all(self, caller: Caller) -> None:
        """End every session of the caller's user, including this one."""
        self.end_all_of(caller.user.id, actor=caller.user.id)

    def end_all_of(self, user_id: str, *, actor: str) -> int:
        """End every session of a user; return how many there were.

        *actor* is who does it, as `Trail.effects` takes it.
        """
        effects = self._traces.all_ended(user_id, actor=actor)
        count = self._store.end_all_of(user_id, now=self._clock(), effects=effects)
        self._events.record("sessions_ended", count=count, user_id=user_id, reason="revoked")
        return count

    def list_of(self, user_id: str) -> Iterable[Session]:
        """Return the live sessions of a user, newest first."""
        return self._store.list_live(user_id, now=self._clock())

    def sweep(self) -> bool:
        """Delete up to `SWEEP_SLICE` sessions that are over; return whether there may be more."""
        now = self._clock()
        return self._store.sweep(
            expired_before=now - self._lifetimes.leeway - ENDED_RETENTION_SECONDS,
            ended_before=now - ENDED_RETENTION_SECONDS,
            limit=SWEEP_SLICE,
        )

    def _end_session_of(self, claims: Claims) -> None:
        found = self._store.find(claims.session_id)
        if found is None:
            return
        _check_binding(claims, found[0])
        session_id, user_id = claims.session_id, claims.user_id
        effects = self._traces.ended(session_id, user_id, "logout", actor=user_id)
        self._end(session_id, user_id, "logout", effects)

    def _end(self, session_id: str, user_id: str, reason: str, effects: Effects) -> None:
        if self._store.end(session_id, now=self._clock(), effects=effects):
            self._events.record(
                "session_ended", session_id=session_id, user_id=user_id, reason=reason
            )

    def _live(self, claims: Claims) -> tuple[Session, User]:
        found = self._store.find(claims.session_id)
        if found is None:
            raise RevokedTokenError
        session, user = found
        _check_binding(claims, session)
        if session.ended_at is not None or not user.is_active:
            raise RevokedTokenError
        return session, user


def _check_binding(claims: Claims, session: Session) -> None:
    # The address is not compared: a session that changes the address keeps its tokens.
    if session.user_id != claims.user_id:
        raise InvalidTokenError("binding")
