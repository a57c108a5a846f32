"""Credentials of services: random tokens of which the settings hold only a hash.

A token has 256 random bits, so one round of SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence

from falcon_auth.errors import InvalidTokenError

TOKEN_BYTES = 32
_CREDENTIAL = re.compile(r"([A-Za-z0-9_.-]{1,64}):([0-9a-f]{64})", re.ASCII)


def is_credential(text: str) -> bool:
    """Return whether a text is written `name:hash`, as `make_credential` writes it."""
    return _CREDENTIAL.fullmatch(text) is not None


def make_credential(name: str) -> tuple[str, str]:
    """Return a fresh token, for the service, and what goes into the settings in its place."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, f"{name}:{_hash(token).hex()}"


class ServiceCredentials:
    """Tells which service a token belongs to. Safe to call from any thread."""

    def __init__(self, credentials: Sequence[str]) -> None:
        pairs = (each.partition(":") for each in credentials)
        self._hashes = [(name, bytes.fromhex(digest)) for name, _, digest in pairs]

    def service_of(self, token: str) -> str:
        """Return the name of the token's service. Raises `InvalidTokenError` for any other token.

        Every hash is compared, and each in constant time.
        """
        given = _hash(token)
        names = [name for name, known in self._hashes if hmac.compare_digest(given, known)]
        if not names:
            raise InvalidTokenError("service_credential")
        return names[0]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
