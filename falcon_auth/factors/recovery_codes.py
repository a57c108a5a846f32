"""Recovery codes: ten per user, shown once; each replaces a second factor one time.

They are stored as HMAC-SHA-256 with a key per set, which is encrypted at rest like the secret of an
app. So the hashes survive a change of ENCRYPTION_KEYS, and are useless without those keys.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

CODES = 10
KEY_BYTES = 32
# Without characters that are easily confused, such as 0 and o, or 1 and l.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # pragma: allowlist secret
_LENGTH = 12  # 59 bits: guesses are rate-limited, and the hash is keyed.
_GROUP = 4
_CODE = re.compile(f"[{_ALPHABET}]{{{_LENGTH}}}", re.ASCII)
_PUNCTUATION = str.maketrans("", "", " -")


def make_codes() -> list[str]:
    """Return new codes as they are displayed, in groups: `7k2m-q9xw-4bnd`."""
    return [_show("".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))) for _ in range(CODES)]


def parse_code(text: str) -> str | None:
    """Return a code without hyphens and spaces; None if *text* is not a code."""
    code = text.translate(_PUNCTUATION).lower()
    return code if _CODE.fullmatch(code) else None


def hash_code(key: bytes, code: str) -> str:
    """Return the hash under which a code, as returned by `parse_code`, is stored."""
    return hmac.digest(key, code.encode(), hashlib.sha256).hex()


def _show(code: str) -> str:
    return "-".join(code[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))
