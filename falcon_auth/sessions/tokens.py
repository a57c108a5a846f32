"""The tokens of a session: its access tokens, and a refresh token for each generation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from falcon_auth.keys import KeyRing, KeySource
from falcon_auth.keys.compact import ACCESS
from falcon_auth.keys.jws import encode_segment
from falcon_auth.models import Session, User
from falcon_auth.sessions.signed_tokens import Issuer, SignedToken, SignedTokens, TokenClaims

# Access tokens verified recently, about 2 KiB each: a client sends the same one until it expires.
# The ring is part of the cache key, so that no token outlives its key.
MAX_REMEMBERED = 4096
REFRESH = "refresh"
Subject = Literal["email", "id"]  # The content of `sub`; `uid` is always the id.


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified token of a session; times are epoch seconds."""

    subject: str  # sub
    user_id: str  # uid
    session_id: str  # sid
    token_id: str  # jti
    issued_at: int
    expires_at: int
    auth_time: int  # When the user last authenticated (OpenID Connect Core, 2).
    amr: tuple[str, ...]  # Authentication methods (RFC 8176).
    audience: tuple[str, ...] = ()  # aud
    scopes: frozenset[str] = frozenset()  # scope: what the user may do (RFC 6749, 3.3).

    @property
    def email(self) -> str | None:
        """The user's e-mail address; None where the service names users by id (JWT_SUBJECT)."""
        return None if self.subject == self.user_id else self.subject

    @property
    def has_factors(self) -> bool:
        """False: a token does not say whether the user has a second factor."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClaims(Claims):
    """The claims of a verified refresh token."""

    generation: int  # gen


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The tokens that a log-in or a refresh returns; `issued_at` is in epoch seconds."""

    user: User
    access: SignedToken = field(repr=False)
    refresh: SignedToken = field(repr=False)
    issued_at: int


@dataclass(frozen=True, slots=True)
class AccessToken:
    """Another access token of a session; `issued_at` is in epoch seconds."""

    access: SignedToken = field(repr=False)
    issued_at: int


class AccessTokenVerifier:
    """Verifies access tokens of one issuer and caches the results. Safe to call from any thread."""

    def __init__(self, issuer: Issuer) -> None:
        self._keys = issuer.keys
        self._tokens = SignedTokens(issuer, ACCESS)
        # Only valid tokens are cached: a refusal raises, and exceptions are not cached.
        self._recall = lru_cache(MAX_REMEMBERED)(self._read)

    def verify(self, token: str) -> Claims:
        """Return the claims of a valid access token.

        Raises `InvalidTokenError`, `ExpiredTokenError` if expiry is its only fault, and
        `StoreUnavailableError` if the keys are unavailable.
        """
        claims, starts_at = self._recall(self._keys.current(), token)
        self._tokens.check_time(starts_at, claims.expires_at)
        return claims

    def _read(
        self,
        _ring: KeyRing,  # Part of the cache key.
        token: str,
    ) -> tuple[Claims, int]:
        """Return a token's claims and when it becomes valid, checking everything but the time."""
        claims = self._tokens.read(token)
        return Claims(**_session_claims(claims)), claims.starts_at


class TokenCodec:
    """Issues and verifies the tokens of one service's sessions. Safe to call from any thread."""

    def __init__(
        self,
        keys: KeySource,
        *,
        clock: Callable[[], float],
        access_seconds: int,
        leeway_seconds: int = 30,
        issuer: str | None = None,
        audience: str | Sequence[str] | None = None,
        subject: Subject = "email",
    ) -> None:
        self.issuer = Issuer(
            keys=keys,
            clock=clock,
            leeway_seconds=leeway_seconds,
            issuer=issuer,
            audience=audience,
        )
        self._clock = clock
        self._subject = subject
        self._access_seconds = access_seconds
        self._access = SignedTokens(self.issuer, ACCESS)
        self._refresh = SignedTokens(self.issuer, REFRESH)
        self._verifier = AccessTokenVerifier(self.issuer)

    def issue_access(self, user: User, session: Session) -> SignedToken:
        """Sign an access token; it never outlives its session."""
        now = int(self._clock())
        lifetime = min(self._access_seconds, int(session.expires_at) - now)
        return self._access.sign(
            self._claims_of(user, session), lifetime_seconds=lifetime, issued_at=now
        )

    def issue_refresh(self, user: User, session: Session) -> SignedToken:
        """Sign the refresh token of the session's current generation.

        It is derived from the session alone, so a client whose response was lost receives the same
        token again, with the same `jti` and expiry.
        """
        issued_at, expires_at = int(session.last_used_at), int(session.expires_at)
        name = hashlib.sha256(f"{session.id}.{session.generation}".encode()).digest()
        extra = {"jti": encode_segment(name[:16]), "gen": session.generation}
        return self._refresh.sign(
            self._claims_of(user, session) | extra,
            lifetime_seconds=expires_at - issued_at,
            issued_at=issued_at,
        )

    def verify_access(self, token: str) -> Claims:
        """Return the claims of a valid access token. Raises as `AccessTokenVerifier.verify`."""
        return self._verifier.verify(token)

    def verify_refresh(self, token: str, *, even_expired: bool = False) -> RefreshClaims:
        """Return the claims of a refresh token; log-out allows expired ones.

        Raises `InvalidTokenError`, and `ExpiredTokenError` if expiry is its only fault.
        """
        claims = self._refresh.verify(token, even_expired=even_expired)
        return RefreshClaims(**_session_claims(claims), generation=claims.integer("gen"))

    def _claims_of(self, user: User, session: Session) -> dict[str, Any]:
        subject = user.id if self._subject == "id" else user.email
        claims = {
            "sub": subject,
            "uid": user.id,
            "sid": session.id,
            "auth_time": int(session.auth_time),
            "amr": list(session.amr),
        }
        # RFC 9068, 2.2.3: a string, with a space between scopes.
        return claims | {"scope": " ".join(sorted(user.scopes))} if user.scopes else claims


def _session_claims(claims: TokenClaims) -> Mapping[str, Any]:
    return {
        "subject": claims.text("sub"),
        "user_id": claims.text("uid"),
        "session_id": claims.text("sid"),
        "token_id": claims.token_id,
        "issued_at": claims.issued_at,
        "expires_at": claims.expires_at,
        "audience": claims.audience,
        "auth_time": claims.integer("auth_time"),
        "amr": claims.words("amr"),
        "scopes": claims.scopes(),
    }
