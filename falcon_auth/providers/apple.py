"""Sign in with Apple: its client secret is a short-lived token that this service signs."""

from __future__ import annotations

from collections.abc import Callable

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

LIFETIME_SECONDS = 300  # Apple takes up to six months; this one is used at once.


class AppleSecret:
    """Makes the client secrets of one Services ID. *clock* gives epoch seconds.

    Raises `ValueError`, which quotes nothing, for what is not a P-256 private key in PEM.
    """

    def __init__(
        self,
        *,
        team_id: str,
        key_id: str,
        client_id: str,
        audience: str,
        pem: str,
        clock: Callable[[], float],
    ) -> None:
        try:
            key = ECKey.import_key(pem)
        except (JoseError, ValueError, TypeError):
            raise ValueError("is not a private key in PEM") from None
        if not key.is_private or key.curve_name != "P-256":
            raise ValueError("is not a private key on P-256")
        self._key = key
        self._header = {"alg": "ES256", "kid": key_id}
        self._claims = {"iss": team_id, "sub": client_id, "aud": audience}
        self._clock = clock

    def __call__(self) -> str:
        """Return a new secret."""
        now = int(self._clock())
        claims = {**self._claims, "iat": now, "exp": now + LIFETIME_SECONDS}
        return jwt.encode(self._header, claims, self._key, algorithms=["ES256"])
