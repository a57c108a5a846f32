"""Reset locks in the child of a fork: one that another thread held would stay locked forever.

Only the forking thread lives on in the child (fork(2)), so nobody would ever release such a lock.
"""

from __future__ import annotations

import os
import sys
from typing import Protocol
from weakref import WeakSet


class ForkAware(Protocol):
    """Something with locks, or with state that another thread may have left half-changed."""

    def reset_after_fork(self) -> None:
        """Reset locks and state, in the child, before it starts a thread. Does not raise."""


_registered: WeakSet[ForkAware] = WeakSet()


def register(owner: ForkAware) -> None:
    """Reset *owner* in each forked child, until *owner* is garbage-collected."""
    _registered.add(owner)


def reset_all() -> None:
    """Reset all registered owners; the interpreter calls this in the child of a fork."""
    for owner in _registered:
        owner.reset_after_fork()


if sys.platform != "win32":  # pragma: no branch - there is no fork elsewhere
    os.register_at_fork(after_in_child=reset_all)
