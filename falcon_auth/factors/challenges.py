"""Challenges: signed, so that issuing one stores nothing; their spent ids are the store's.

A log-in challenge says that the first proof was right. A WebAuthn challenge is what a passkey
signs; it is good for one purpose and, where there is one, for one user and one session or log-in.
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
MAX_GUESSES = 10  # Then a challenge is void, whatever RATE_LIMIT_ENABLED says.
LOGIN_GUESSES = Limit("factor-challenge", MAX_GUESSES, 2 * LIFETIME_SECONDS)
SESSION_GUESSES = Limit("factor-session", MAX_GUESSES, LIFETIME_SECONDS)

Purpose = Literal["register", "login", "factor", "confirm"]
KindsOf = Callable[[User], list[str]]
NOBODY = "-"  # In claims that name nobody: one is never empty.


@dataclass(frozen=True, slots=True)
class LoginChallenge:
    """A log-in that lacks its second factor."""

    user_id: str
    password_version: int
    factors_version: int
    methods: tuple[str, ...]
    spent: SpentChallenge

    def fits(self, user: User) -> bool:
        """Return whether neither password nor factors were changed since."""
        return (self.password_version, self.factors_version) == (
            user.password_version,
            user.factors_version,
        )


class Challenges:
    """Signs and verifies challenges. Safe to call from any thread.

    *kinds_of* tells which kinds of factors a user can use.
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
        """Return the refusal of a log-in that lacks its second factor, with a challenge."""
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
        """Return what a log-in challenge says.

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
        """Count a guess, before it is looked at, so that no burst gets more than there are.

        Raises `RevokedTokenError` beyond the last one.
        """
        if not self._limiter.allows(LOGIN_GUESSES, challenge.spent.id):
            self._events.record("factor_challenge_void", user_id=challenge.user_id)
            raise RevokedTokenError

    def count_session_guess(self, session_id: str) -> None:
        """Count a guess within a session, before it is looked at. Raises `RateLimitedError`."""
        self._limiter.count(SESSION_GUESSES, session_id)

    def for_passkey(self, purpose: Purpose, *, user_id: str = NOBODY, of: str = NOBODY) -> bytes:
        """Return what a passkey is to sign; *of* is the session or log-in challenge it is for."""
        claims = {"purpose": purpose, "uid": user_id, "of": of}
        return self._passkeys.sign(claims, lifetime_seconds=LIFETIME_SECONDS).text.encode()

    def read_passkey(
        self, challenge: bytes, purpose: Purpose, *, user_id: str = NOBODY, of: str = NOBODY
    ) -> SpentChallenge:
        """Verify that a challenge was issued for just this; return what is to be spent.

        Raises `InvalidTokenError`, `ExpiredTokenError`.
        """
        claims = self._passkeys.verify(challenge.decode("ascii", "replace"))
        expected = {"purpose": purpose, "uid": user_id, "of": of}
        for name, value in expected.items():
            if claims.text(name) != value:
                raise InvalidTokenError(name)
        return self._spent(claims)

    def _spent(self, claims: TokenClaims) -> SpentChallenge:
        # As long as it would be accepted, whichever process's clock is behind.
        return SpentChallenge(claims.token_id, claims.expires_at + 2 * self._leeway)
