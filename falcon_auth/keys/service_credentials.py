"""Credentials of other services: random tokens, of which the settings contain only hashes.

A token has 256 random bits and cannot be guessed, so one round of SHA-256 is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence

from falcon_auth.errors import InvalidClientError

TOKEN_BYTES = 32
_CREDENTIAL = re.compile(r"([A-Za-z0-9_.-]{1,64}):([0-9a-f]{64})", re.ASCII)


def is_credential(text: str) -> bool:
    """Return whether *text* has the form `name:hash` that `make_credential` returns."""
    return _CREDENTIAL.fullmatch(text) is not None


def make_credential(name: str) -> tuple[str, str]:
    """Return a new token for the service, and the `name:hash` entry for the settings."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, f"{name}:{_hash(token).hex()}"


class ServiceCredentials:
    """Identifies the service that presents a token. Safe to call from any thread."""

    def __init__(self, credentials: Sequence[str]) -> None:
        pairs = (each.partition(":") for each in credentials)
        self._hashes = [(name, bytes.fromhex(digest)) for name, _, digest in pairs]

    def service_of(self, token: str, claimed: str | None = None) -> str:
        """Return the name of the token's service, which must be *claimed* if that is given.

        The token is compared with every hash in constant time. Raises `InvalidClientError`.
        """
        presented = _hash(token)
        names = [name for name, known in self._hashes if hmac.compare_digest(presented, known)]
        if not names or claimed not in {None, *names}:
            raise InvalidClientError
        return names[0] if claimed is None else claimed


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
