"""Verifies access tokens of a Falcon Auth service, without asking it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from falcon_auth.keys import Key, KeyRing, KeySource
from falcon_auth.sessions.signed_tokens import Issuer
from falcon_auth.sessions.tokens import AccessTokenVerifier, Claims
from falcon_auth.verifier.fetch import HttpFetch
from falcon_auth.verifier.jwks import JwksKeys

DEFAULT_LEEWAY_SECONDS = 30


class Verifier:
    """Verifies access tokens and returns their claims. Safe to call from any thread, and to fork.

    *issuer* and *audience* are what the service has in JWT_ISSUER and JWT_AUDIENCE; None, where it
    has none, checks none. A token has to be for one name of *audience* at least.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str | None,
        audience: str | Sequence[str] | None,
        leeway_seconds: int = DEFAULT_LEEWAY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = AccessTokenVerifier(
            Issuer(
                keys=keys,
                clock=clock,
                leeway_seconds=leeway_seconds,
                issuer=issuer,
                audience=audience,
            )
        )

    @classmethod
    def from_jwks(
        cls,
        url: str,
        *,
        issuer: str | None,
        audience: str | Sequence[str] | None,
        leeway_seconds: int = DEFAULT_LEEWAY_SECONDS,
    ) -> Verifier:
        """Verify by the public keys at an address: https, or http on the loopback interface.

        Nothing is fetched before the first token comes. Raises `ValueError` for another address.
        """
        keys = JwksKeys(HttpFetch(url), monotonic=time.monotonic)
        return cls(keys, issuer=issuer, audience=audience, leeway_seconds=leeway_seconds)

    @classmethod
    def from_secrets(
        cls,
        secrets: Sequence[str],
        *,
        issuer: str | None,
        audience: str | Sequence[str] | None,
        algorithm: str = "HS256",
        leeway_seconds: int = DEFAULT_LEEWAY_SECONDS,
    ) -> Verifier:
        """Verify by shared secrets. Their holders can also sign tokens: prefer `from_jwks`.

        Raises `UnfitKeyError`.
        """
        ring = KeyRing([Key.symmetric(secret, algorithm) for secret in secrets])
        return cls(ring, issuer=issuer, audience=audience, leeway_seconds=leeway_seconds)

    def authenticate(self, token: str) -> Claims:
        """Return the claims of a valid access token.

        Raises `InvalidTokenError`, `ExpiredTokenError`, and `StoreUnavailableError` where the
        keys cannot be had.
        """
        return self._verifier.verify(token)
