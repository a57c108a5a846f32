"""bcrypt: Provos and Mazières, "A Future-Adaptable Password Scheme", USENIX 1999."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import bcrypt

from falcon_auth.passwords.hasher import StoredHash

# The library's positional arguments: the key, then version, cost and salt.
HashPw = Callable[[bytes, bytes], bytes]

MAX_BCRYPT_BYTES = 72  # bcrypt reads no further, and the library refuses more.
MIN_PRODUCTION_ROUNDS = 12  # The least that production may be configured with.
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


@dataclass(frozen=True, slots=True)
class BcryptHash:
    """A `StoredHash` of version 2a, 2b or 2y, which are one function for what is hashed here."""

    text: str = field(repr=False)
    cost: int
    hashpw: HashPw = field(repr=False)

    def matches(self, password: str) -> bool:
        """Hash *password* with the same salt and cost, and compare in constant time."""
        hashed = _hashed(self.hashpw, password, self.text)
        return hmac.compare_digest(hashed.encode(), self.text.encode())


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
        hashpw: HashPw = bcrypt.hashpw,
    ) -> None:
        self._rounds = rounds
        self._max_cost = max(rounds, MAX_STORED_COST)
        self._hashpw = hashpw

    def parse(self, stored: str) -> BcryptHash | None:
        """Take apart a whole hash of version 2a, 2b or 2y whose cost is within bounds."""
        match = _WELL_FORMED.fullmatch(stored)
        if match is None:
            return None
        cost = int(match["cost"])
        if not MIN_COST <= cost <= self._max_cost:
            return None
        return BcryptHash(stored, cost, self._hashpw)

    def suffices(self, stored: StoredHash) -> bool:
        """Whether *stored* is a bcrypt hash, of any version, at today's cost or a higher one."""
        return isinstance(stored, BcryptHash) and stored.cost >= self._rounds

    def hash(self, password: str) -> str:
        """Return a new `$2b$` hash."""
        return _hashed(self._hashpw, password, bcrypt.gensalt(self._rounds).decode())

    def spend(self, *, less: StoredHash | None = None) -> None:
        """Hash the empty password, at as many lower costs as add up to what is missing."""
        if not isinstance(less, BcryptHash):
            self._spend_at(self._rounds)
            return
        # bcrypt at cost c is 2**c steps, and 2**C - 2**c is 2**c + 2**(c + 1) + … + 2**(C - 1).
        for cost in range(less.cost, self._rounds):
            self._spend_at(cost)

    def _spend_at(self, cost: int) -> None:
        self._hashpw(b"", f"$2b${cost:02}${_ANY_SALT}".encode())


def _hashed(hashpw: HashPw, password: str, settings: str) -> str:
    """Hash with the version, cost and salt that *settings* begins with."""
    key = _bcrypt_key(password, salt=settings[_SALT])
    return hashpw(key, settings.encode()).decode()


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
