"""Challenges are signed tokens, so issuing one stores nothing; the store keeps the spent ids.

A log-in challenge certifies that the first factor was correct. A WebAuthn challenge is what a
passkey signs; it is bound to one purpose and, if they are known, to one user and one session or
log-in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from falcon_auth.errors import InvalidTokenError, RevokedTokenError, SecondFactorRequiredError
from falcon_auth.models import Login, SpentChallenge, User
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.sessions.signed_tokens import Issuer, SignedTokens, TokenClaims
from falcon_auth.throttle.limits import Limit, Limiter

LIFETIME_SECONDS = 300
MAX_GUESSES = 10  # More void a challenge, whether or not RATE_LIMIT_ENABLED.
LOGIN_GUESSES = Limit("factor-challenge", MAX_GUESSES, 2 * LIFETIME_SECONDS)
SESSION_GUESSES = Limit("factor-session", MAX_GUESSES, LIFETIME_SECONDS)

Purpose = Literal["register", "login", "factor", "confirm"]
KindsOf = Callable[[User], list[str]]
NOBODY = "-"  # In claims that name no user, because a claim must not be empty.


@dataclass(frozen=True, slots=True)
class LoginChallenge:
    """The content of a challenge for a log-in that still needs its second factor."""

    user_id: str
    password_version: int
    factors_version: int
    methods: tuple[str, ...]
    spent: SpentChallenge

    def fits(self, user: User) -> bool:
        """Return whether the user's password and factors have not changed since it was issued."""
        return (self.password_version, self.factors_version) == (
            user.password_version,
            user.factors_version,
        )


class Challenges:
    """Signs and verifies challenges. Safe to call from any thread.

    *kinds_of* returns the kinds of factors that a user can use.
    """

    def __init__(
        self, issuer: Issuer, limiter: Limiter, kinds_of: KindsOf, *, events: Events = LOG_ONLY
    ) -> None:
        self._events = events
        self._leeway = issuer.leeway_seconds
        self._logins = SignedTokens(issuer, "login-challenge")
        self._passkeys = SignedTokens(issuer, "passkey-challenge")
        self._limiter = limiter
        self._kinds_of = kinds_of

    def demand(self, login: Login) -> SecondFactorRequiredError:
        """Return the error, with a challenge, for a log-in that still needs its second factor."""
        user = login.user
        claims = {
            "uid": user.id,
            "password_version": user.password_version,
            "factors_version": user.factors_version,
            "amr": list(login.methods),
        }
        self._events.record("second_factor_required", user_id=user.id)
        token = self._logins.sign(claims, lifetime_seconds=LIFETIME_SECONDS)
        return SecondFactorRequiredError(token.text, self._kinds_of(user))

    def read_login(self, token: str) -> LoginChallenge:
        """Verify a log-in challenge, and return its content.

        Raises `InvalidTokenError`, `ExpiredTokenError`.
        """
        claims = self._logins.verify(token)
        return LoginChallenge(
            user_id=claims.text("uid"),
            password_version=claims.integer("password_version"),
            factors_version=claims.integer("factors_version"),
            methods=claims.words("amr"),
            spent=self._spent(claims),
        )

    def count_guess(self, challenge: LoginChallenge) -> None:
        """Count a guess; call it before the check, so that concurrent guesses count as well.

        Raises `RevokedTokenError` beyond the last one.
        """
        if not self._limiter.allows(LOGIN_GUESSES, challenge.spent.id):
            self._events.record("factor_challenge_void", user_id=challenge.user_id)
            raise RevokedTokenError

    def count_session_guess(self, session_id: str) -> None:
        """Count a guess in a session; call it before checking. Raises `RateLimitedError`."""
        self._limiter.count(SESSION_GUESSES, session_id)

    def for_passkey(self, purpose: Purpose, *, user_id: str = NOBODY, of: str = NOBODY) -> bytes:
        """Return a challenge for a passkey to sign; *of* is the session or log-in it is for."""
        claims = {"purpose": purpose, "uid": user_id, "of": of}
        return self._passkeys.sign(claims, lifetime_seconds=LIFETIME_SECONDS).text.encode()

    def read_passkey(
        self, challenge: bytes, purpose: Purpose, *, user_id: str = NOBODY, of: str = NOBODY
    ) -> SpentChallenge:
        """Verify that a challenge was issued for this use; return it for the store to spend.

        Raises `InvalidTokenError`, `ExpiredTokenError`.
        """
        claims = self._passkeys.verify(challenge.decode("ascii", "replace"))
        expected = {"purpose": purpose, "uid": user_id, "of": of}
        for name, value in expected.items():
            if claims.text(name) != value:
                raise InvalidTokenError(name)
        return self._spent(claims)

    def _spent(self, claims: TokenClaims) -> SpentChallenge:
        # Kept for as long as any process accepts it, even one whose clock is slow.
        return SpentChallenge(claims.token_id, claims.expires_at + 2 * self._leeway)
