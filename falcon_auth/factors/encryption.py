"""Encryption of secrets at rest: AES-256-GCM with the keys of ENCRYPTION_KEYS.

A ciphertext is bound to its owner, so it does not decrypt in another row. It names its key: `1.<key
id>.<nonce and ciphertext>`, each part in base64url.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from falcon_auth.factors.setup import is_key
from falcon_auth.keys.jws import decode_segment, encode_segment

KEY_BYTES = 32
NONCE_BYTES = 12  # Random, as NIST SP 800-38D recommends: enough for 2^32 secrets per key.
_VERSION = "1"


class UndecryptableError(Exception):
    """The key is missing, the ciphertext was altered, or it belongs to another owner."""


def make_key() -> str:
    """Return a new key in the format of ENCRYPTION_KEYS."""
    return encode_segment(secrets.token_bytes(KEY_BYTES))


class SecretBox:
    """Encrypts with the first key, and decrypts with any. Safe to call from any thread.

    *keys* have the format of `make_key`. Raises `ValueError` for other formats, or without a key.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or not all(is_key(key) for key in keys):
            raise ValueError("keys are 32 bytes in base64url, one at least")
        materials = [decode_segment(key.rstrip("=")) for key in keys]
        self._keys = {_key_id(each): each for each in materials}
        self._first = _key_id(materials[0])

    def encrypt(self, secret: bytes, owner: str) -> str:
        """Encrypt a secret; *owner* is the context that decryption must name again."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher(self._first).encrypt(nonce, secret, self._bound(owner))
        return f"{_VERSION}.{self._first}.{encode_segment(nonce + sealed)}"

    def decrypt(self, text: str, owner: str) -> bytes:
        """Return the secret. Raises `UndecryptableError`."""
        version, _, rest = text.partition(".")
        key_id, _, sealed = rest.partition(".")
        if version != _VERSION or key_id not in self._keys:
            raise UndecryptableError
        data = decode_segment(sealed)
        try:
            return self._cipher(key_id).decrypt(
                data[:NONCE_BYTES], data[NONCE_BYTES:], self._bound(owner)
            )
        except (InvalidTag, ValueError):
            raise UndecryptableError from None

    def is_current(self, text: str) -> bool:
        """Return whether the first key encrypted it."""
        return text.startswith(f"{_VERSION}.{self._first}.")

    def _cipher(self, key_id: str) -> AESGCM:
        return AESGCM(self._keys[key_id])

    @staticmethod
    def _bound(owner: str) -> bytes:
        return f"falcon-auth {owner}".encode()


def _key_id(key: bytes) -> str:
    """Return an identifier of a key that reveals nothing about it."""
    return encode_segment(hmac.digest(key, b"falcon-auth encryption key id", hashlib.sha256)[:6])
