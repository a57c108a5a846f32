"""Signed tokens of one type: what all tokens of this service have in common.

The keys of the ring sign access tokens. Every other type (refresh tokens, links, challenges) has a
key of its own, derived from them, and is named in the token's header and claims. So a token of one
type is never accepted as another, neither here nor by another service's verifier.

    resets = SignedTokens(issuer, "reset")
    token = resets.sign({"uid": user.id, "ver": 3}, lifetime_seconds=3600)
    claims = resets.verify(token.text)
    claims.text("uid"), claims.integer("ver")
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from falcon_auth.access.scopes import is_scope
from falcon_auth.errors import ExpiredTokenError, InvalidTokenError
from falcon_auth.keys import Key, KeySource, UnfitKeyError
from falcon_auth.keys.compact import ACCESS, verify_compact

MAX_INTEGER = 2**53 - 1  # The largest integer that every JSON parser reads exactly (RFC 8259, 6).
_TYPE = re.compile(r"[a-z]{1,32}(-[a-z]{1,32}){0,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token as text, and when it expires (epoch seconds)."""

    text: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """An issuer of tokens: its keys, its clock (epoch seconds), and `iss` and `aud`, if set.

    Safe to share between threads if the keys and the clock are.
    """

    keys: KeySource = field(repr=False)
    clock: Callable[[], float]
    leeway_seconds: int = 30
    issuer: str | None = None
    audience: str | Sequence[str] | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The audience of its tokens."""
        return (self.audience,) if isinstance(self.audience, str) else tuple(self.audience or ())

    @cached_property
    def claims(self) -> Mapping[str, str | list[str]]:
        """The claims that are the same in every token."""
        stated: dict[str, str | list[str]] = {}
        if self.issuer is not None:
            stated["iss"] = self.issuer
        if self.names:  # One name is a string, several are a list (RFC 7519, 4.1.3).
            stated["aud"] = self.names[0] if len(self.names) == 1 else list(self.names)
        return stated

    def check(self, members: Mapping[str, Any]) -> None:
        """Raise `InvalidTokenError` if a token has another issuer or no common audience.

        One name in common is enough (RFC 7519, 4.1.3), so tokens stay valid when a name is added.
        """
        if self.issuer is not None and members.get("iss") != self.issuer:
            raise InvalidTokenError("iss")
        if "aud" not in members and not self.names:
            return
        if not set(audience_of(members)) & set(self.names):
            raise InvalidTokenError("aud")


def audience_of(members: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a token's audience; empty if `aud` is missing or does not consist of strings."""
    stated = members.get("aud", ())
    names = [stated] if isinstance(stated, str) else stated
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ()
    return tuple(names)


class TokenClaims:
    """The claims of a token whose signature was verified. Reading a claim checks its type."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        """Read the members of a token. Raises `InvalidTokenError` for an invalid `jti` or time."""
        self._members = members
        self.audience = audience_of(members)
        self.token_id = self.text("jti")
        self.issued_at = self.integer("iat")
        self.expires_at = self.integer("exp")
        # `nbf` is never issued here, but RFC 7519, 4.1.5 requires it to be obeyed.
        self.starts_at = max(self.issued_at, self.integer("nbf") if "nbf" in members else 0)

    def has(self, name: str) -> bool:
        """Return whether there is such a claim."""
        return name in self._members

    def text(self, name: str) -> str:
        """Return a claim. Raises `InvalidTokenError` unless it is a non-empty string."""
        value = self._members.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidTokenError(name)
        return value

    def integer(self, name: str) -> int:
        """Return a claim. Raises `InvalidTokenError` unless it is a non-negative integer."""
        value = self._members.get(name)
        # Refuses true, 1.0 and "1".
        if type(value) is not int or not 0 <= value <= MAX_INTEGER:
            raise InvalidTokenError(name)
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """Return a claim. Raises `InvalidTokenError` unless it is a list of strings."""
        value = self._members.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InvalidTokenError(name)
        return tuple(value)

    def scopes(self) -> frozenset[str]:
        """Return the claim `scope`, none where it is missing (RFC 9068, 2.2.3).

        Raises `InvalidTokenError` unless it is scopes with a space between them.
        """
        value = self._members.get("scope", "")
        if not isinstance(value, str):
            raise InvalidTokenError("scope")
        scopes = value.split(" ") if "scope" in self._members else []
        if not all(map(is_scope, scopes)):
            raise InvalidTokenError("scope")
        return frozenset(scopes)


class SignedTokens:
    """Signs and verifies the tokens of one type for one issuer. Safe to call from any thread.

    *token_type* is the claim `type`. It determines the key (see `Key.derived`) and the header
    `typ`, which is `<type>+jwt`. Raises `ValueError` unless it consists of lower-case words joined
    by hyphens.
    """

    def __init__(self, issuer: Issuer, token_type: str) -> None:
        if not _TYPE.fullmatch(token_type):
            raise ValueError("a token type consists of lower-case words joined by hyphens")
        self._issuer = issuer
        self._type = token_type

    def sign(
        self,
        claims: Mapping[str, Any],
        *,
        lifetime_seconds: int,
        issued_at: int | None = None,
    ) -> SignedToken:
        """Return a token with *claims* that is valid for *lifetime_seconds* from *issued_at*.

        *issued_at* is in epoch seconds, by default now. Adds `iat`, `exp`, `type`, `iss` and `aud`,
        and, unless *claims* has one, a random `jti`, which makes the token unique.
        """
        starts_at = int(self._issuer.clock()) if issued_at is None else issued_at
        expires_at = starts_at + lifetime_seconds
        random_id = {} if "jti" in claims else {"jti": secrets.token_urlsafe(16)}
        payload = {
            **random_id,
            **claims,
            "iat": starts_at,
            "exp": expires_at,
            "type": self._type,
            **self._issuer.claims,
        }
        return SignedToken(self._signing_key().sign(payload), expires_at)

    def verify(self, token: str, *, even_expired: bool = False) -> TokenClaims:
        """Return the claims of a token of this type that is currently valid.

        Raises `InvalidTokenError`; `ExpiredTokenError` if expiry is its only fault, unless
        *even_expired*; `StoreUnavailableError` if the keys are unavailable.
        """
        claims = self.read(token)
        self.check_time(claims.starts_at, claims.expires_at, even_expired=even_expired)
        return claims

    def read(self, token: str) -> TokenClaims:
        """Return the claims as `verify` does, without checking the times."""
        members = verify_compact(token, self._issuer.keys, self._type)
        self._issuer.check(members)
        return TokenClaims(members)

    def check_time(self, starts_at: int, expires_at: int, *, even_expired: bool = False) -> None:
        """Raise as `verify` does if the current time lies outside these times (epoch seconds)."""
        now, leeway = self._issuer.clock(), self._issuer.leeway_seconds
        if starts_at > now + leeway:
            raise InvalidTokenError("not_yet_valid", seconds=math.ceil(starts_at - now))
        if expires_at <= now - leeway and not even_expired:
            raise ExpiredTokenError(seconds=math.floor(now - expires_at))

    def _signing_key(self) -> Key:
        key = self._issuer.keys.current().signing_key
        if self._type == ACCESS:
            return key
        derived = key.derived(self._type)
        if derived is None:
            raise UnfitKeyError("has no private half, so it cannot sign")
        return derived
