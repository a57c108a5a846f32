"""The signed tokens of log-ins by others: a type, and so a key, for each purpose.

- An attempt is the browser's cookie while it is at the provider, 10 minutes.
- A start has a browser begin an attempt for linking, 10 minutes. Whoever opens it gets no further
  than a link that only its user can use.
- A code is exchanged for the tokens of a session, and a link makes an identity the user's: both in
  the fragment of the URL that the browser returns to, 1 minute, once.
"""

from __future__ import annotations

from dataclasses import dataclass

from falcon_auth.errors import ExpiredTokenError, InvalidTokenError, ProviderRefusedError
from falcon_auth.models import SpentChallenge
from falcon_auth.providers.provider import Attempt, Vouched, random_text
from falcon_auth.sessions.signed_tokens import Issuer, SignedTokens, TokenClaims

ATTEMPT_SECONDS = 600
START_SECONDS = 600
CODE_SECONDS = 60
NOBODY = "-"  # In claims that name nobody: one is never empty.


@dataclass(frozen=True, slots=True)
class Start:
    """Who asked to link an identity, by which provider, and where to return to."""

    provider: str
    user_id: str
    return_to: str


@dataclass(frozen=True, slots=True)
class Code:
    """The identity that logged in, and what makes the code work only once."""

    identity_id: str
    spent: SpentChallenge


@dataclass(frozen=True, slots=True)
class Link:
    """Whose identity a provider vouched for, and what makes the link work only once."""

    provider: str
    user_id: str
    vouched: Vouched
    spent: SpentChallenge


class ProviderTokens:
    """Signs and verifies them. Safe to call from any thread.

    Reading raises `InvalidTokenError` or `ExpiredTokenError`.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._leeway = issuer.leeway_seconds
        self._attempts = SignedTokens(issuer, "provider-attempt")
        self._starts = SignedTokens(issuer, "provider-start")
        self._codes = SignedTokens(issuer, "provider-code")
        self._links = SignedTokens(issuer, "provider-link")

    def sign_attempt(self, provider: str, return_to: str, link_for: str | None) -> str:
        """Return a new attempt with its own state, nonce and verifier."""
        claims = {
            "provider": provider,
            "nonce": random_text(),
            "verifier": random_text(),
            "return_to": return_to,
            "uid": link_for or NOBODY,
        }
        return self._attempts.sign(claims, lifetime_seconds=ATTEMPT_SECONDS).text

    def read_attempt(self, text: str) -> Attempt:
        """Return what the browser's cookie holds; the token's id is the state."""
        claims = self._attempts.verify(text)
        user_id = claims.text("uid")
        return Attempt(
            provider=claims.text("provider"),
            state=claims.token_id,
            nonce=claims.text("nonce"),
            verifier=claims.text("verifier"),
            return_to=claims.text("return_to"),
            link_for=None if user_id == NOBODY else user_id,
            spent=self._spent(claims),
        )

    def find_attempt(self, text: str | None, *, provider: str, state: str | None) -> Attempt:
        """Return the attempt of a callback. Raises `ProviderRefusedError` unless it is this one."""
        if text is None:
            raise ProviderRefusedError("state_of_another_browser")
        try:
            attempt = self.read_attempt(text)
        except (InvalidTokenError, ExpiredTokenError):
            raise ProviderRefusedError("state") from None
        if (attempt.provider, attempt.state) != (provider, state):
            raise ProviderRefusedError("state_of_another_attempt")
        return attempt

    def sign_start(self, start: Start) -> str:
        """Return a token that starts linking in a browser."""
        claims = {
            "provider": start.provider,
            "uid": start.user_id,
            "return_to": start.return_to,
        }
        return self._starts.sign(claims, lifetime_seconds=START_SECONDS).text

    def read_start(self, text: str) -> Start:
        """Return what a start says."""
        claims = self._starts.verify(text)
        return Start(claims.text("provider"), claims.text("uid"), claims.text("return_to"))

    def sign_code(self, identity_id: str) -> str:
        """Return a one-time code for a log-in."""
        return self._codes.sign({"identity": identity_id}, lifetime_seconds=CODE_SECONDS).text

    def read_code(self, text: str) -> Code:
        """Return what a code says."""
        claims = self._codes.verify(text)
        return Code(claims.text("identity"), self._spent(claims))

    def sign_link(self, provider: str, user_id: str, vouched: Vouched) -> str:
        """Return a one-time token that makes an identity the user's."""
        claims = {
            "provider": provider,
            "uid": user_id,
            "issuer": vouched.issuer,
            "subject": vouched.subject,
            "email": vouched.email or NOBODY,
        }
        return self._links.sign(claims, lifetime_seconds=CODE_SECONDS).text

    def read_link(self, text: str) -> Link:
        """Return what a link says."""
        claims = self._links.verify(text)
        email = claims.text("email")
        vouched = Vouched(
            issuer=claims.text("issuer"),
            subject=claims.text("subject"),
            email=None if email == NOBODY else email,
            email_verified=False,  # Linking does not ask.
        )
        return Link(claims.text("provider"), claims.text("uid"), vouched, self._spent(claims))

    def _spent(self, claims: TokenClaims) -> SpentChallenge:
        # As long as it would be accepted, whichever process's clock is behind.
        return SpentChallenge(claims.token_id, claims.expires_at + 2 * self._leeway)
