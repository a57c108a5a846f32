"""Argon2id: RFC 9106, at the cost of the OWASP Password Storage Cheat Sheet."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret

# The hash library's positions: secret, salt, passes, memory in KiB, lanes, digest bytes, variant.
HashSecret = Callable[[bytes, bytes, int, int, int, int, Type], bytes]

SALT_BYTES = 16  # RFC 9106, section 4.
DIGEST_BYTES = 32
MIN_LANE_KIB = 8  # Argon2's own lower bound on memory per lane.

# The heaviest that is obeyed from a stored hash. Memory and lanes: the second recommendation of
# RFC 9106, which many libraries have as their default; passes: the most on OWASP's list.
MAX_STORED_MEMORY_KIB = 64 * 1024
MAX_STORED_PASSES = 5
MAX_STORED_LANES = 4

# 8 to 64 bytes of salt and 16 to 64 of digest, in base64 without padding.
_WELL_FORMED = re.compile(
    r"\$argon2id\$v=19"
    r"\$m=(?P<m>[1-9][0-9]{0,6}),t=(?P<t>[1-9][0-9]{0,2}),p=(?P<p>[1-9][0-9]{0,2})"
    r"\$(?P<salt>[A-Za-z0-9+/]{11,86})\$(?P<digest>[A-Za-z0-9+/]{22,86})",
)


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """What one hash costs. The defaults are OWASP's: 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1

    @property
    def work(self) -> int:
        """KiB filled, over all passes: what the duration is proportional to."""
        return self.memory_kib * self.passes


@dataclass(frozen=True, slots=True)
class _Stored:
    parameters: Argon2Parameters
    salt: bytes
    digest_bytes: int


class Argon2Hasher:
    """A `Hasher`: Argon2id, version 19; nothing else that begins with `$argon2`.

    Raises `argon2.exceptions.HashingError` where the machine cannot give the memory: that is
    no verdict on a password.

    *hash_secret* is `argon2.low_level.hash_secret` or, in tests, one that keeps count.
    """

    kind = "argon2"

    def __init__(
        self,
        parameters: Argon2Parameters | None = None,
        *,
        hash_secret: HashSecret = hash_secret,
    ) -> None:
        self._today = parameters or Argon2Parameters()
        self._hash_secret = hash_secret

    def recognises(self, stored: str) -> bool:
        """Whether *stored* is a whole Argon2id hash, and its parameters within bounds."""
        return self._parse(stored) is not None

    def is_current(self, stored: str) -> bool:
        """Whether *stored* has today's parameters, and salt and digest of today's sizes."""
        parsed = self._parse(stored)
        return (
            parsed is not None
            and parsed.parameters == self._today
            and (len(parsed.salt), parsed.digest_bytes) == (SALT_BYTES, DIGEST_BYTES)
        )

    def hash(self, password: str) -> str:
        """Return a new hash, in the encoding that all Argon2 libraries read."""
        return self._hashed(password, os.urandom(SALT_BYTES), self._today, DIGEST_BYTES).decode()

    def verify(self, password: str, stored: str) -> bool:
        """Hash *password* with the salt and parameters of *stored*; compare in constant time."""
        parsed = self._parse(stored)
        if parsed is None:
            return False
        # Hashed anew rather than by the library's verify, which returns early, and so cheaper,
        # where it finds fault with the encoding.
        hashed = self._hashed(password, parsed.salt, parsed.parameters, parsed.digest_bytes)
        return hmac.compare_digest(hashed, stored.encode())

    def spend(self, *, less: str | None = None) -> None:
        """Hash the empty password, in as much less memory as makes up what is missing."""
        parsed = None if less is None else self._parse(less)
        missing = self._today.work - (0 if parsed is None else parsed.parameters.work)
        memory_kib = missing // self._today.passes
        if memory_kib < MIN_LANE_KIB * self._today.lanes:
            return  # Nothing is missing, or less than the least that Argon2 can do.
        less_memory = Argon2Parameters(memory_kib, self._today.passes, self._today.lanes)
        self._hashed("", bytes(SALT_BYTES), less_memory, DIGEST_BYTES)

    def _parse(self, stored: str) -> _Stored | None:
        """Take *stored* apart; None where it is damaged or not to be obeyed."""
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
        return _Stored(parameters, salt, len(digest))

    def _within_bounds(self, stored: Argon2Parameters) -> bool:
        """Whether to obey *stored*: the library would take whatever memory it asks for."""
        return (
            MIN_LANE_KIB * stored.lanes
            <= stored.memory_kib
            <= max(self._today.memory_kib, MAX_STORED_MEMORY_KIB)
            and stored.passes <= max(self._today.passes, MAX_STORED_PASSES)
            and stored.lanes <= max(self._today.lanes, MAX_STORED_LANES)
        )

    def _hashed(
        self,
        password: str,
        salt: bytes,
        cost: Argon2Parameters,
        digest_bytes: int,
    ) -> bytes:
        return self._hash_secret(
            password.encode(),
            salt,
            cost.passes,
            cost.memory_kib,
            cost.lanes,
            digest_bytes,
            Type.ID,
        )


def _decoded(unpadded: str) -> bytes:
    """Decode base64 without padding. Raises `binascii.Error` for a length that cannot be."""
    return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4))
