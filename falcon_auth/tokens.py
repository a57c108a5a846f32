"""Tokens: what issues and verifies JWTs (RFC 7519, RFC 8725).

PyJWT's algorithms sign and check signatures. Form, header and claims are checked here:
PyJWT's own codec is lenient where this service is not (integers, duplicate members, padding,
unknown headers), reads the clock itself, and prepares the key anew at each call.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from falcon_auth.errors import ExpiredTokenError, InvalidTokenError
from falcon_auth.keys import Key, KeyRing, KeySource
from falcon_auth.models import Session, User
from falcon_auth.segments import SEGMENT, encode_segment, parse_segment

MAX_TOKEN_LENGTH = 4096
# Access tokens that were just checked, about 2 KiB each: a client sends the same one until it
# expires. The ring is part of what is remembered, so that no token outlives its key.
MAX_REMEMBERED = 4096
MAX_INTEGER = 2**53 - 1  # Where JSON's integers end for many readers (RFC 8259, 6).
_COMPACT = re.compile(rf"({SEGMENT})\.({SEGMENT})\.({SEGMENT})", re.ASCII)

TokenType = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    email: str  # sub
    user_id: str  # uid
    session_id: str  # sid
    token_id: str  # jti
    issued_at: int
    expires_at: int
    generation: int | None  # gen, of refresh tokens only


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token as text, and when it expires (epoch seconds)."""

    text: str = field(repr=False)
    expires_at: int


class TokenReader:
    """Verifies the tokens of one issuer. Safe to call from any thread."""

    def __init__(
        self,
        keys: KeySource,
        *,
        clock: Callable[[], float],
        leeway_seconds: int = 30,
        issuer: str | None = None,
        audience: str | None = None,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._leeway = leeway_seconds
        self.fixed: dict[str, str] = {}  # The claims that are the same in every token.
        if issuer is not None:
            self.fixed["iss"] = issuer
        if audience is not None:
            self.fixed["aud"] = audience
        # Only what was accepted is remembered: a refusal raises, and is not cached.
        self._recall = lru_cache(MAX_REMEMBERED)(self._check)

    def read(self, token: str, kind: TokenType, *, even_expired: bool = False) -> Claims:
        """Check a token of one type.

        Raises `InvalidTokenError`, or `ExpiredTokenError` where time is all that is wrong.
        """
        check = self._recall if kind == "access" else self._check
        verified, starts_at = check(self._keys.current(), token, kind)
        now = self._clock()
        if starts_at > now + self._leeway:
            raise InvalidTokenError("not_yet_valid", seconds=math.ceil(starts_at - now))
        if verified.expires_at <= now - self._leeway and not even_expired:
            raise ExpiredTokenError(seconds=math.floor(now - verified.expires_at))
        return verified

    def _key_of(self, token: str) -> Key:
        """Return the key that a token names, if it has the form of one."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidTokenError("too_long")
        parts = _COMPACT.fullmatch(token)
        if parts is None:
            raise InvalidTokenError("form")
        return self._keys.key_for(parts[1])

    def _check(
        self,
        _ring: KeyRing,  # What is remembered is remembered for it.
        token: str,
        kind: TokenType,
    ) -> tuple[Claims, int]:
        """Return what a token says, and from when on; all is checked but the time."""
        key = self._key_of(token)
        signed, _, signature = token.rpartition(".")
        if not key.verifies(signed, signature):
            raise InvalidTokenError("signature")
        try:
            claims = parse_segment(signed.partition(".")[2])
        except ValueError:
            raise InvalidTokenError("form") from None
        if claims.get("type") != kind:
            raise InvalidTokenError("type")
        if "aud" in claims and "aud" not in self.fixed:
            raise InvalidTokenError("aud")  # Made for somebody else (RFC 7519, 4.1.3).
        for name, expected in self.fixed.items():
            if claims.get(name) != expected:
                raise InvalidTokenError(name)
        verified = Claims(
            email=_text(claims, "sub"),
            user_id=_text(claims, "uid"),
            session_id=_text(claims, "sid"),
            token_id=_text(claims, "jti"),
            issued_at=_integer(claims, "iat"),
            expires_at=_integer(claims, "exp"),
            generation=_integer(claims, "gen") if kind == "refresh" else None,
        )
        # `nbf` is never issued, but RFC 7519, 4.1.5 gives it a meaning that must be obeyed.
        starts_at = max(verified.issued_at, _integer(claims, "nbf") if "nbf" in claims else 0)
        return verified, starts_at


class TokenCodec:
    """Issues and verifies the tokens of one service. Safe to call from any thread."""

    def __init__(
        self,
        keys: KeySource,
        *,
        clock: Callable[[], float],
        access_seconds: int,
        leeway_seconds: int = 30,
        issuer: str | None = None,
        audience: str | None = None,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._access_seconds = access_seconds
        self._reader = TokenReader(
            keys, clock=clock, leeway_seconds=leeway_seconds, issuer=issuer, audience=audience
        )

    @property
    def fixed(self) -> Mapping[str, str]:
        """The claims that are the same in every token: `iss` and `aud`, where they are set."""
        return self._reader.fixed

    def issue_access(self, user: User, session: Session) -> SignedToken:
        """Sign an access token; it never outlives its session."""
        now = int(self._clock())
        expires_at = min(now + self._access_seconds, int(session.expires_at))
        claims = self._claims_for(user, session, "access", issued_at=now, expires_at=expires_at)
        return self._sign(claims | {"jti": secrets.token_urlsafe(16)}, expires_at)

    def issue_refresh(self, user: User, session: Session) -> SignedToken:
        """Sign the refresh token of the session's current generation.

        Everything in it follows from the session, so that a client which lost the answer
        is given the same token again, with the same `jti` and the same end.
        """
        issued_at, expires_at = int(session.last_used_at), int(session.expires_at)
        claims = self._claims_for(
            user, session, "refresh", issued_at=issued_at, expires_at=expires_at
        )
        name = hashlib.sha256(f"{session.id}.{session.generation}".encode()).digest()
        extra = {"jti": encode_segment(name[:16]), "gen": session.generation}
        return self._sign(claims | extra, expires_at)

    def verify_access(self, token: str) -> Claims:
        """Check an access token.

        Raises `InvalidTokenError`, or `ExpiredTokenError` where time is all that is wrong.
        """
        return self._reader.read(token, "access")

    def verify_refresh(self, token: str, *, even_expired: bool = False) -> Claims:
        """Check a refresh token; log-out takes expired ones too. Raises as `verify_access`."""
        return self._reader.read(token, "refresh", even_expired=even_expired)

    def _claims_for(
        self, user: User, session: Session, kind: TokenType, *, issued_at: int, expires_at: int
    ) -> dict[str, Any]:
        return {
            "sub": user.email,
            "uid": user.id,
            "sid": session.id,
            "iat": issued_at,
            "exp": expires_at,
            "type": kind,
            **self._reader.fixed,
        }

    def _sign(self, claims: Mapping[str, Any], expires_at: int) -> SignedToken:
        return SignedToken(self._keys.current().signing_key.sign(claims), expires_at)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidTokenError(name)
    return value


def _integer(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:  # Neither true nor 1.0 nor "1".
        raise InvalidTokenError(name)
    return value
