"""What the parts of the store have in common."""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """A change that took place, and how many sessions it ended."""

    ended: int
