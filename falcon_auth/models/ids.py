"""Ids that sort by the time at which they were made."""

from __future__ import annotations

import secrets
import uuid

RANDOM_BITS = 74  # What version, variant and the 48 bits of milliseconds leave of an id.


def time_ordered_id(now: float, random: int | None = None) -> str:
    """Return a new id that sorts after those of earlier milliseconds; *now* is in epoch seconds.

    It is a UUID of version 7 (RFC 9562, 5.7). *random* are its `RANDOM_BITS`, drawn where they are
    not given.
    """
    random = secrets.randbits(RANDOM_BITS) if random is None else random
    high, low = random >> 62, random & (1 << 62) - 1
    milliseconds = int(now * 1000) & (1 << 48) - 1
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low))
