"""Recovery codes: ten for each user, shown once, each of which stands in for a factor once.

They are kept as HMAC-SHA-256 under a key of the set, which is encrypted at rest like an app's
secret. So the hashes outlive a change of ENCRYPTION_KEYS, and tell nothing without them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

CODES = 10
KEY_BYTES = 32
# Nothing that is mistaken for something else.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # pragma: allowlist secret
_LENGTH = 12  # 59 bits: a code is guessed under a limit, and its hash is keyed.
_GROUP = 4
_CODE = re.compile(f"[{_ALPHABET}]{{{_LENGTH}}}", re.ASCII)
_PUNCTUATION = str.maketrans("", "", " -")


def make_codes() -> list[str]:
    """Return fresh codes as they are shown, in groups: `7k2m-q9xw-4bnd`."""
    return [_show("".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))) for _ in range(CODES)]


def parse_code(text: str) -> str | None:
    """Return a code without what people write between its letters; None for anything else."""
    code = text.translate(_PUNCTUATION).lower()
    return code if _CODE.fullmatch(code) else None


def hash_code(key: bytes, code: str) -> str:
    """Return the hash that a code, as `parse_code` returns it, is kept as."""
    return hmac.digest(key, code.encode(), hashlib.sha256).hex()


def _show(code: str) -> str:
    return "-".join(code[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))
