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

MAX_BCRYPT_BYTES = 72  # bcrypt ignores further bytes, and the library refuses them.
MIN_PRODUCTION_ROUNDS = 12  # The minimum in production.
MIN_COST = 4  # bcrypt's own lower bound.
# Eight times the work of the default cost of 12: enough for any realistic hash, and low enough that
# a forged row cannot occupy a worker for long.
MAX_STORED_COST = 15
PREHASH_LABEL = "falcon-auth/bcrypt-prehash"

# Salt and digest are 128 and 184 bits in base64, so their last characters have unused bits; the
# library raises if those of the salt are set.
_WELL_FORMED = re.compile(
    r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]",
)
_SALT = slice(7, 29)  # In "$2b$12$" + 22 characters of salt + 31 of digest.
_ANY_SALT = "." * 22


@dataclass(frozen=True, slots=True)
class BcryptHash:
    """A `StoredHash` of version 2a, 2b or 2y, which are equivalent for the inputs used here."""

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

    *hashpw* is `bcrypt.hashpw`, or a counting stand-in in tests.
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
        """Parse a complete hash of version 2a, 2b or 2y whose cost is within bounds."""
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
        """Hash the empty password, at several lower costs if only a difference is to be spent."""
        if not isinstance(less, BcryptHash):
            self._spend_at(self._rounds)
            return
        # bcrypt takes 2**c steps at cost c, and 2**C - 2**c is 2**c + 2**(c + 1) + … + 2**(C - 1).
        for cost in range(less.cost, self._rounds):
            self._spend_at(cost)

    def _spend_at(self, cost: int) -> None:
        self._hashpw(b"", f"$2b${cost:02}${_ANY_SALT}".encode())


def _hashed(hashpw: HashPw, password: str, settings: str) -> str:
    """Hash with the version, cost and salt at the beginning of *settings*."""
    key = _bcrypt_key(password, salt=settings[_SALT])
    return hashpw(key, settings.encode()).decode()


def _bcrypt_key(password: str, *, salt: str) -> bytes:
    """Return bcrypt's input for *password*: at most 72 bytes, none of which is NUL.

    That is the password itself if it fits. bcrypt would truncate a longer one; and because it
    repeats its key with a NUL after each repetition, "a" and "a NUL a" would be the same password.
    So passwords that are too long or contain a NUL are hashed with HMAC-SHA256 first.

    The salt is the HMAC's key, to prevent password shucking: with a plain digest, somebody who
    stole our hashes could test unsalted SHA-256 digests from another breach against them, without
    knowing the passwords (OWASP Password Storage Cheat Sheet, "Pre-Hashing Passwords with bcrypt").
    Base64 encodes any NUL in the digest.
    """
    raw = password.encode()
    if len(raw) <= MAX_BCRYPT_BYTES and b"\0" not in raw:
        return raw
    digest = hmac.digest((salt + PREHASH_LABEL).encode(), raw, "sha256")
    return base64.b64encode(digest)
