"""Argon2id (RFC 9106), with the parameters of the OWASP Password Storage Cheat Sheet."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argon2.low_level import Type

from falcon_auth.passwords.hasher import StoredHash

# The library's positional arguments: secret, salt, passes, memory in KiB, lanes, digest bytes,
# variant.
HashSecret = Callable[[bytes, bytes, int, int, int, int, "Type"], bytes]

SALT_BYTES = 16  # RFC 9106, section 4.
DIGEST_BYTES = 32
MIN_LANE_KIB = 8  # Argon2's own lower bound on memory per lane.

# The highest parameters accepted in a stored hash. Memory and lanes: the second recommendation of
# RFC 9106, which is the default of many libraries; passes: the highest on OWASP's list.
MAX_STORED_MEMORY_KIB = 64 * 1024
MAX_STORED_PASSES = 5
MAX_STORED_LANES = 4

# 8 to 64 bytes of salt and 16 to 64 of digest, in base64 without padding.
_WELL_FORMED = re.compile(
    r"\$argon2id\$v=19"
    r"\$m=(?P<m>[1-9][0-9]{0,6}),t=(?P<t>[1-9][0-9]{0,2}),p=(?P<p>[1-9][0-9]{0,2})"
    r"\$(?P<salt>[A-Za-z0-9+/]{11,86})\$(?P<digest>[A-Za-z0-9+/]{22,86})",
)


def _hash_secret(*arguments: Any) -> bytes:
    # Imported for the first hash: a service that only uses bcrypt never needs it.
    from argon2.low_level import hash_secret  # noqa: PLC0415

    return hash_secret(*arguments)


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """The cost of one hash. The defaults are OWASP's: 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1

    @property
    def work(self) -> int:
        """KiB filled in all passes together, to which the duration is proportional."""
        return self.memory_kib * self.passes


@dataclass(frozen=True, slots=True)
class Argon2Hash:
    """A `StoredHash`: Argon2id, version 19."""

    text: str = field(repr=False)
    parameters: Argon2Parameters
    salt: bytes = field(repr=False)
    digest_bytes: int
    hash_secret: HashSecret = field(repr=False)

    def matches(self, password: str) -> bool:
        """Hash *password* with the same salt and parameters, and compare in constant time."""
        # Computed here rather than by the library's verify, which returns early, and so at a lower
        # cost, if it rejects the encoding.
        hashed = _hashed(self.hash_secret, password, self.salt, self.parameters, self.digest_bytes)
        return hmac.compare_digest(hashed, self.text.encode())


class Argon2Hasher:
    """A `Hasher`: Argon2id, version 19, and no other variant of Argon2.

    Raises `argon2.exceptions.HashingError` if memory is exhausted, which says nothing about the
    password.

    *hash_secret* is `argon2.low_level.hash_secret`, or a counting stand-in in tests.
    """

    kind = "argon2"

    def __init__(
        self,
        parameters: Argon2Parameters | None = None,
        *,
        hash_secret: HashSecret = _hash_secret,
    ) -> None:
        self._today = parameters or Argon2Parameters()
        self._hash_secret = hash_secret

    def suffices(self, stored: StoredHash) -> bool:
        """Whether *stored* is an Argon2id hash that takes at least as much work as a new one.

        Compares the product of memory and passes, by which OWASP considers different pairs
        equivalent. Salt and digest are long enough in every hash that `parse` accepts.
        """
        return isinstance(stored, Argon2Hash) and stored.parameters.work >= self._today.work

    def hash(self, password: str) -> str:
        """Return a new hash in the standard encoding of Argon2 libraries."""
        salt = os.urandom(SALT_BYTES)
        return _hashed(self._hash_secret, password, salt, self._today, DIGEST_BYTES).decode()

    def spend(self, *, less: StoredHash | None = None) -> None:
        """Hash the empty password, with less memory if only a difference is to be spent."""
        spent = less.parameters.work if isinstance(less, Argon2Hash) else 0
        memory_kib = (self._today.work - spent) // self._today.passes
        if memory_kib < MIN_LANE_KIB * self._today.lanes:
            return  # Nothing is left to spend, or less than the minimum of Argon2.
        less_memory = Argon2Parameters(memory_kib, self._today.passes, self._today.lanes)
        _hashed(self._hash_secret, "", bytes(SALT_BYTES), less_memory, DIGEST_BYTES)

    def parse(self, stored: str) -> Argon2Hash | None:
        """Parse a complete Argon2id hash whose parameters are within bounds."""
        match = _WELL_FORMED.fullmatch(stored)
        if match is None:
            return None
        parameters = Argon2Parameters(int(match["m"]), int(match["t"]), int(match["p"]))
        if not self._within_bounds(parameters):
            return None
        try:
            salt, digest = _decoded(match["salt"]), _decoded(match["digest"])
        except binascii.Error:
            return None
        return Argon2Hash(stored, parameters, salt, len(digest), self._hash_secret)

    def _within_bounds(self, stored: Argon2Parameters) -> bool:
        """Whether to accept *stored*: the library would allocate any amount of memory."""
        return (
            MIN_LANE_KIB * stored.lanes
            <= stored.memory_kib
            <= max(self._today.memory_kib, MAX_STORED_MEMORY_KIB)
            and stored.passes <= max(self._today.passes, MAX_STORED_PASSES)
            and stored.lanes <= max(self._today.lanes, MAX_STORED_LANES)
        )


def _hashed(
    hash_secret: HashSecret,
    password: str,
    salt: bytes,
    cost: Argon2Parameters,
    digest_bytes: int,
) -> bytes:
    from argon2.low_level import Type  # noqa: PLC0415 - as above

    return hash_secret(
        password.encode(),
        salt,
        cost.passes,
        cost.memory_kib,
        cost.lanes,
        digest_bytes,
        Type.ID,
    )


def _decoded(unpadded: str) -> bytes:
    """Decode base64 without padding. Raises `binascii.Error` for an impossible length."""
    return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4))
