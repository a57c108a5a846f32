"""Forges access tokens: valid ones, and every kind that a service must refuse."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from falcon_auth.keys import SYMMETRIC, Key
from falcon_auth.keys.compact import MAX_TOKEN_LENGTH
from falcon_auth.keys.pem import make_pem, parse_pem
from falcon_auth.testing.service import SECRET_BYTES, LoggedIn, TestService

AN_HOUR = 3600  # More than any leeway.
# Registered claims that the service's own tokens do not have (RFC 7519, 4.1).
REGISTERED_CLAIMS = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti")

Forgery = Callable[[LoggedIn], str]


class Forge:
    """Creates tokens for a user of one service. Each method returns an access token as text.

    It signs with the service's own key, for any JWT_ALGORITHM. A forgery is valid except for the
    one fault that its name states, so that no verifier refuses it for another reason.
    """

    def __init__(self, service: TestService) -> None:
        self._service = service

    def good(self, user: LoggedIn) -> str:
        """Return the user's own, valid access token."""
        return user.access_token

    def signed(
        self, user: LoggedIn, *, extra: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """Return the user's token with other *claims*, signed by the service's own key.

        Raises `ValueError` for a claim that no token of the service has, which is probably
        misspelt; *extra* accepts any claim.
        """
        mine = self._claims(user)
        for name in claims:
            self._check_name(name, {*mine, *REGISTERED_CLAIMS})
        return self._sign(user, mine | claims | dict(extra or {}))

    def expired(self, user: LoggedIn) -> str:
        """Return one that expired an hour ago."""
        now = int(self._service.clock())
        return self.signed(user, iat=now - 2 * AN_HOUR, exp=now - AN_HOUR)

    def from_the_future(self, user: LoggedIn) -> str:
        """Return one whose `iat` is an hour ahead."""
        later = int(self._service.clock()) + AN_HOUR
        return self.signed(user, iat=later, nbf=later, exp=later + AN_HOUR)

    def foreign(self, user: LoggedIn) -> str:
        """Return one signed by another key, with the `kid` of the service's key."""
        return self._sign(user, self._claims(user), key=self._other_key())

    def of_unknown_key(self, user: LoggedIn) -> str:
        """Return one signed by an unknown key, with that key's own `kid`."""
        key = self._other_key()
        return self._sign(user, self._claims(user), key=key, kid=key.kid)

    def unsigned(self, user: LoggedIn) -> str:
        """Return one of the algorithm `none` (RFC 8725, 2.1)."""
        return f"{_text(self._header(user) | {'alg': 'none'})}.{_text(self._claims(user))}."

    def of_other_algorithm(self, user: LoggedIn) -> str:
        """Return one that the right key signed by another algorithm (RFC 8725, 2.1 and 3.1).

        With an asymmetric key: HS256, by the public key as everyone can read it.
        """
        key = self._key
        if key.algorithm in SYMMETRIC:
            algorithm, secret = ("HS256" if key.algorithm == "HS512" else "HS512"), key.signing
        else:
            form = PublicFormat.SubjectPublicKeyInfo
            algorithm, secret = "HS256", key.verifying.public_bytes(Encoding.PEM, form)
        signed = f"{_text(self._header(user) | {'alg': algorithm})}.{_text(self._claims(user))}"
        digest = hashlib.sha256 if algorithm == "HS256" else hashlib.sha512
        return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), digest))}"

    def wrong_type(self, user: LoggedIn) -> str:
        """Return one that the right key signed, whose claim `type` says `refresh`."""
        return self.signed(user, type="refresh")

    def refresh_token(self, user: LoggedIn) -> str:
        """Return the user's refresh token, where an access token is asked for."""
        return user.refresh_token

    def for_another_audience(self, user: LoggedIn) -> str:
        """Return one with another `aud` (RFC 7519, 4.1.3)."""
        return self.signed(user, aud="somebody-else")

    def tampered(self, user: LoggedIn) -> str:
        """Return one whose claims were changed after it was signed."""
        header, _, signature = user.access_token.split(".")
        payload = _text(self._claims(user) | {"sub": "eve@example.com"})
        return f"{header}.{payload}.{signature}"

    def of_somebody_else(self, user: LoggedIn) -> str:
        """Return one of the user's session that names another user, signed by the right key."""
        return self.signed(user, uid="00000000-0000-4000-8000-000000000000")

    def without(self, user: LoggedIn, claim: str) -> str:
        """Return one that lacks a claim. Raises `ValueError` where it has none of that name."""
        claims = self._claims(user)
        self._check_name(claim, claims.keys())
        del claims[claim]
        return self._sign(user, claims)

    def without_expiry(self, user: LoggedIn) -> str:
        """Return one without `exp`."""
        return self.without(user, "exp")

    def too_long(self, user: LoggedIn) -> str:
        """Return one of more than 4 KiB."""
        return self.signed(user, extra={"padding": "x" * MAX_TOKEN_LENGTH})

    def malformed(self, _user: LoggedIn) -> str:
        """Return a text that is not a token."""
        return "not.a.token"

    def revoked(self, user: LoggedIn) -> str:
        """Log the user out, and return the token that was good until then."""
        self._service.log_out(user)
        return user.access_token

    def refused(self) -> Mapping[str, tuple[Forgery, str]]:
        """Return every kind of token that the service refuses, by name, for parametrised tests.

        Each is a pair of the method that creates it and the error code of the refusal.
        """
        invalid = (self.of_somebody_else, self.too_long)
        return {
            **self.refused_elsewhere(),
            "revoked": (self.revoked, "TOKEN_REVOKED"),
            **{make.__name__: (make, "TOKEN_INVALID") for make in invalid},
        }

    def refused_elsewhere(self) -> Mapping[str, tuple[Forgery, str]]:
        """Return the kinds that any verifier has to refuse, knowing only the keys.

        Whether a session is live, and whose it is, only the service itself knows.
        """
        invalid = (
            self.from_the_future,
            self.foreign,
            self.of_unknown_key,
            self.unsigned,
            self.of_other_algorithm,
            self.wrong_type,
            self.refresh_token,
            self.for_another_audience,
            self.tampered,
            self.without_expiry,
            self.malformed,
        )
        return {
            "expired": (self.expired, "TOKEN_EXPIRED"),
            **{make.__name__: (make, "TOKEN_INVALID") for make in invalid},
        }

    @property
    def _key(self) -> Key:
        return self._service.app.service.keys.current().signing_key

    def _other_key(self) -> Key:
        """Return a key of the service's algorithm that is not the service's."""
        algorithm = self._key.algorithm
        if algorithm in SYMMETRIC:
            return Key.symmetric(secrets.token_urlsafe(SECRET_BYTES), algorithm)
        return parse_pem(make_pem(algorithm), algorithm)

    def _claims(self, user: LoggedIn) -> dict[str, Any]:
        return _members(user.access_token.split(".")[1])

    def _header(self, user: LoggedIn) -> dict[str, Any]:
        return _members(user.access_token.split(".")[0])

    def _sign(
        self,
        user: LoggedIn,
        claims: Mapping[str, Any],
        *,
        key: Key | None = None,
        kid: str | None = None,
    ) -> str:
        key = key or self._key
        header = self._header(user) | ({} if kid is None else {"kid": kid})
        signed = f"{_text(header)}.{_text(claims)}"
        return f"{signed}.{_base64(key.implementation.sign(signed.encode(), key.signing))}"

    @staticmethod
    def _check_name(name: str, known: Any) -> None:
        if name in known:
            return
        nearest = get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}"
        message = f"{name!r} is not a claim of an access token; {hint}"
        raise ValueError(message)


def _text(members: Mapping[str, Any]) -> str:
    return _base64(json.dumps(members).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _members(segment: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    )
    return members
