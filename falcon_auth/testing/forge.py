"""A forge for access tokens: one of every kind that a service must refuse, and good ones."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from falcon_auth.testing.service import LoggedIn, TestService
from falcon_auth.tokens import MAX_TOKEN_LENGTH

ALGORITHM = "HS256"
AN_HOUR = 3600  # More than any leeway.


class Forge:
    """Makes tokens for a user of one service. Each method returns an access token as text."""

    def __init__(self, service: TestService) -> None:
        self._service = service

    def good(self, user: LoggedIn) -> str:
        """Return the user's own token, which is accepted."""
        return user.access_token

    def signed(self, user: LoggedIn, **claims: Any) -> str:
        """Return the user's token with other *claims*, signed by the service's own key."""
        return self._sign(user, self._claims(user) | claims)

    def expired(self, user: LoggedIn) -> str:
        """Return one whose time was over an hour ago."""
        now = int(self._service.clock())
        return self.signed(user, iat=now - 2 * AN_HOUR, exp=now - AN_HOUR)

    def from_the_future(self, user: LoggedIn) -> str:
        """Return one that is issued in an hour."""
        now = int(self._service.clock())
        return self.signed(user, iat=now + AN_HOUR, exp=now + 2 * AN_HOUR)

    def foreign(self, user: LoggedIn) -> str:
        """Return one that another key signed, which claims to be the service's."""
        return self._sign(user, self._claims(user), key=secrets.token_urlsafe(32))

    def of_unknown_key(self, user: LoggedIn) -> str:
        """Return one that names a key nobody has."""
        return self._sign(user, self._claims(user), headers={"kid": "nobody"})

    def unsigned(self, user: LoggedIn) -> str:
        """Return one of the algorithm `none` (RFC 8725, 2.1)."""
        header = {"kid": self._header(user)["kid"]}
        return jwt.encode(self._claims(user), "", algorithm="none", headers=header)

    def of_other_algorithm(self, user: LoggedIn) -> str:
        """Return one that the right key signed by another algorithm (RFC 8725, 3.1)."""
        return self._sign(user, self._claims(user), algorithm="HS512")

    def wrong_type(self, user: LoggedIn) -> str:
        """Return a refresh token, where an access token is asked for."""
        return user.refresh_token

    def tampered(self, user: LoggedIn) -> str:
        """Return one whose claims were changed after it was signed."""
        header, _, signature = user.access_token.split(".")
        payload = _encode(self._claims(user) | {"sub": "eve@example.com"})
        return f"{header}.{payload}.{signature}"

    def of_somebody_else(self, user: LoggedIn) -> str:
        """Return one of the user's session that names another user, signed by the right key."""
        return self.signed(user, uid="00000000-0000-4000-8000-000000000000")

    def without(self, user: LoggedIn, claim: str) -> str:
        """Return one that lacks a claim."""
        claims = self._claims(user)
        del claims[claim]
        return self._sign(user, claims)

    def without_expiry(self, user: LoggedIn) -> str:
        """Return one that would be good forever."""
        return self.without(user, "exp")

    def too_long(self, user: LoggedIn) -> str:
        """Return one of more than 4 KiB."""
        return self.signed(user, padding="x" * MAX_TOKEN_LENGTH)

    def malformed(self, _user: LoggedIn) -> str:
        """Return what is no token at all."""
        return "not.a.token"

    def revoked(self, user: LoggedIn) -> str:
        """Log the user out, and return the token that was good until then."""
        self._service.log_out(user)
        return user.access_token

    def refused(self) -> Mapping[str, tuple[Callable[[LoggedIn], str], str]]:
        """Return every kind that is refused, with the code that it is refused by.

        By its name, with the method that makes it: a list to run a whole test on.
        """
        invalid = (
            self.from_the_future,
            self.foreign,
            self.of_unknown_key,
            self.unsigned,
            self.of_other_algorithm,
            self.wrong_type,
            self.tampered,
            self.of_somebody_else,
            self.without_expiry,
            self.too_long,
            self.malformed,
        )
        return {
            "expired": (self.expired, "TOKEN_EXPIRED"),
            "revoked": (self.revoked, "TOKEN_REVOKED"),
            **{make.__name__: (make, "TOKEN_INVALID") for make in invalid},
        }

    def _claims(self, user: LoggedIn) -> dict[str, Any]:
        claims: dict[str, Any] = _decode(user.access_token.split(".")[1])
        return claims

    def _header(self, user: LoggedIn) -> dict[str, Any]:
        header: dict[str, Any] = _decode(user.access_token.split(".")[0])
        return header

    def _sign(
        self,
        user: LoggedIn,
        claims: dict[str, Any],
        *,
        key: str | None = None,
        algorithm: str = ALGORITHM,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        header = {"kid": self._header(user)["kid"], **(headers or {})}
        return jwt.encode(claims, key or self._service.secret, algorithm, headers=header)


def _encode(members: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def _decode(segment: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
