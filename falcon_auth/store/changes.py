"""Results that the parts of the store share."""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """A change that took place, and how many sessions it ended."""

    ended: int
