"""bcrypt: Provos and Mazières, "A Future-Adaptable Password Scheme", USENIX 1999."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable

import bcrypt

MAX_BCRYPT_BYTES = 72  # bcrypt reads no further, and the library refuses more.
MIN_COST = 4  # The function's own lower bound.
# Eight times the work of the default cost of 12: enough for any hash that was made in earnest,
# and a forged row cannot hold a worker for long.
MAX_STORED_COST = 15
PREHASH_LABEL = "falcon-auth/bcrypt-prehash"

# Salt and digest are 128 and 184 bits in base64, so their last characters leave some bits unused;
# the library raises where those of the salt are set.
_WELL_FORMED = re.compile(
    r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]",
)
_SALT = slice(7, 29)  # Of "$2b$12$" + 22 characters of salt + 31 of digest.
_ANY_SALT = "." * 22


class BcryptHasher:
    """A `Hasher`: bcrypt as `$2b$`; verifies `$2a$` and `$2y$` too, which other libraries write.

    A password over 72 bytes or with a NUL is pre-hashed, see `_bcrypt_key`.

    *hashpw* is `bcrypt.hashpw` or, in tests, one that keeps count.
    """

    kind = "bcrypt"

    def __init__(
        self,
        rounds: int = 12,
        *,
        hashpw: Callable[[bytes, bytes], bytes] = bcrypt.hashpw,
    ) -> None:
        self._rounds = rounds
        self._max_cost = max(rounds, MAX_STORED_COST)
        self._hashpw = hashpw

    def recognises(self, stored: str) -> bool:
        """Whether *stored* is a whole hash of version 2a, 2b or 2y, and its cost within bounds."""
        return self._cost(stored) is not None

    def is_current(self, stored: str) -> bool:
        """Whether *stored* is of version 2b and at today's cost."""
        return self._cost(stored) == self._rounds and stored.startswith("$2b$")

    def hash(self, password: str) -> str:
        """Return a new `$2b$` hash."""
        return self._hashed(password, bcrypt.gensalt(self._rounds).decode())

    def verify(self, password: str, stored: str) -> bool:
        """Hash *password* with the salt and cost of *stored*, and compare in constant time."""
        if not self.recognises(stored):
            return False
        return hmac.compare_digest(self._hashed(password, stored).encode(), stored.encode())

    def spend(self, *, less: str | None = None) -> None:
        """Hash the empty password, at as many lower costs as add up to what is missing."""
        spent = None if less is None else self._cost(less)
        if spent is None:
            self._spend_at(self._rounds)
            return
        # bcrypt at cost c is 2**c steps, and 2**C - 2**c is 2**c + 2**(c + 1) + … + 2**(C - 1).
        for cost in range(spent, self._rounds):
            self._spend_at(cost)

    def _cost(self, stored: str) -> int | None:
        """Return the cost that *stored* asks for; None where it is not to be obeyed."""
        match = _WELL_FORMED.fullmatch(stored)
        if match is None:
            return None
        cost = int(match["cost"])
        return cost if MIN_COST <= cost <= self._max_cost else None

    def _hashed(self, password: str, settings: str) -> str:
        """Hash with the version, cost and salt that *settings* begins with."""
        key = _bcrypt_key(password, salt=settings[_SALT])
        return self._hashpw(key, settings.encode()).decode()

    def _spend_at(self, cost: int) -> None:
        self._hashpw(b"", f"$2b${cost:02}${_ANY_SALT}".encode())


def _bcrypt_key(password: str, *, salt: str) -> bytes:
    """Return what bcrypt is given for *password*: 72 bytes or fewer, and no NUL among them.

    That is the password itself where it fits. A longer one would lose its end; and because
    bcrypt repeats its key with a NUL after each turn, "a" and "a NUL a" would be one password.
    Those two sorts go through HMAC-SHA256 first.

    The HMAC is keyed by the salt against password shucking: were it a bare digest, a thief of our
    hashes could try the unsalted SHA-256 digests of some other breach as they are, without
    knowing the passwords behind them (OWASP Password Storage Cheat Sheet, "Pre-Hashing
    Passwords with bcrypt"). Base64 keeps the digest's own NULs away from bcrypt.
    """
    raw = password.encode()
    if len(raw) <= MAX_BCRYPT_BYTES and b"\0" not in raw:
        return raw
    digest = hmac.digest((salt + PREHASH_LABEL).encode(), raw, "sha256")
    return base64.b64encode(digest)
