"""PBKDF2 (RFC 8018, 5.2) with HMAC-SHA256, as Django stores it: for imported users only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field

# The library's positional arguments: digest name, password, salt, iterations.
Pbkdf2 = Callable[[str, bytes, bytes, int], bytes]

MIN_STORED_ITERATIONS = 1000  # The minimum of RFC 8018, 4.2.
# Django 6.0 uses 1,200,000, which takes about as long as bcrypt at cost 12. Up to twice that is
# accepted.
MAX_STORED_ITERATIONS = 2_400_000

# Any salt of printable ASCII that Django may have written, and 32 bytes in base64, whose last
# character has two unused bits.
_WELL_FORMED = re.compile(
    r"pbkdf2_sha256\$(?P<iterations>[1-9][0-9]{3,6})\$(?P<salt>[!-#%-~]{1,128})"
    r"\$(?P<digest>[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)",
)


@dataclass(frozen=True, slots=True)
class Pbkdf2Hash:
    """A `StoredHash` of Django's `pbkdf2_sha256`."""

    iterations: int
    salt: bytes = field(repr=False)
    digest: str = field(repr=False)  # In base64.
    pbkdf2: Pbkdf2 = field(repr=False)

    def matches(self, password: str) -> bool:
        """Derive with the same salt and iterations, and compare in constant time."""
        digest = self.pbkdf2("sha256", password.encode(), self.salt, self.iterations)
        return hmac.compare_digest(base64.b64encode(digest), self.digest.encode())


class Pbkdf2Verifier:
    """A `Verifier` of Django's `pbkdf2_sha256$iterations$salt$digest`.

    It is not a `Hasher`: no new hashes of this kind are created, and each is replaced at the next
    log-in.

    *pbkdf2* is `hashlib.pbkdf2_hmac`, which releases the interpreter lock, or a counting stand-in
    in tests.
    """

    kind = "pbkdf2"

    def __init__(self, *, pbkdf2: Pbkdf2 = hashlib.pbkdf2_hmac) -> None:
        self._pbkdf2 = pbkdf2

    def parse(self, stored: str) -> Pbkdf2Hash | None:
        """Parse a complete hash of this kind whose iterations are within bounds."""
        match = _WELL_FORMED.fullmatch(stored)
        if match is None:
            return None
        iterations = int(match["iterations"])
        if not MIN_STORED_ITERATIONS <= iterations <= MAX_STORED_ITERATIONS:
            return None
        return Pbkdf2Hash(iterations, match["salt"].encode(), match["digest"], self._pbkdf2)
