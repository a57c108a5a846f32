"""PBKDF2 (RFC 8018, 5.2) with HMAC-SHA256, as Django stores it: for imported users only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

# The hash library's positions: digest's name, password, salt, iterations.
Pbkdf2 = Callable[[str, bytes, bytes, int], bytes]

MIN_STORED_ITERATIONS = 1000  # RFC 8018, 4.2: no earnest hash has fewer.
# Django 6.0 writes 1,200,000, which takes about as long as bcrypt at cost 12. Twice that is obeyed.
MAX_STORED_ITERATIONS = 2_400_000

# Any salt of printable ASCII that Django can have written, and 32 bytes in base64, whose
# last character has two bits to spare.
_WELL_FORMED = re.compile(
    r"pbkdf2_sha256\$(?P<iterations>[1-9][0-9]{3,6})\$(?P<salt>[!-#%-~]{1,128})"
    r"\$(?P<digest>[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)",
)


@dataclass(frozen=True, slots=True)
class _Stored:
    iterations: int
    salt: bytes
    digest: str


class Pbkdf2Verifier:
    """A `Verifier` of Django's `pbkdf2_sha256$iterations$salt$digest`.

    No `Hasher`: new hashes are never of this kind, so a log-in replaces it by today's.

    *pbkdf2* is `hashlib.pbkdf2_hmac`, which lets go of the interpreter lock, or, in tests, one
    that keeps count.
    """

    kind = "pbkdf2"

    def __init__(self, *, pbkdf2: Pbkdf2 = hashlib.pbkdf2_hmac) -> None:
        self._pbkdf2 = pbkdf2

    def recognises(self, stored: str) -> bool:
        """Whether *stored* is a whole hash of this kind, and its iterations within bounds."""
        return _parse(stored) is not None

    def verify(self, password: str, stored: str) -> bool:
        """Derive with the salt and iterations of *stored*, and compare in constant time."""
        parsed = _parse(stored)
        if parsed is None:
            return False
        digest = self._pbkdf2("sha256", password.encode(), parsed.salt, parsed.iterations)
        return hmac.compare_digest(base64.b64encode(digest), parsed.digest.encode())


def _parse(stored: str) -> _Stored | None:
    """Take *stored* apart; None where it is damaged or not to be obeyed."""
    match = _WELL_FORMED.fullmatch(stored)
    if match is None:
        return None
    iterations = int(match["iterations"])
    if not MIN_STORED_ITERATIONS <= iterations <= MAX_STORED_ITERATIONS:
        return None
    return _Stored(iterations, match["salt"].encode(), match["digest"])
