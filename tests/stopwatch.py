"""Bounds on waiting that hold on a busy machine as well."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, NamedTuple

TICK = 0.005  # Seconds.


class Took(NamedTuple):
    """How long something took, in seconds."""

    passed: float  # On the clock: for what has to be waited for at least.
    had: float  # Of these, what this process got: for what may be waited for at most.


def timed(action: Callable[[], object]) -> tuple[Any, Took]:
    """Return what *action* gives, and how long it took.

    Beside it a thread takes one short pause after another. Where other programs or threads keep
    this process waiting, a pause takes longer and counts the same; where the action waits for
    somebody else, they add up to the time that passed.
    """
    over, ticks = Event(), 0

    def tick():
        nonlocal ticks
        while not over.wait(TICK):
            ticks += 1

    ticking = Thread(target=tick)
    ticking.start()
    started = time.monotonic()
    try:
        result = action()
    finally:
        passed = time.monotonic() - started
        over.set()
        ticking.join()
    return result, Took(passed, min(passed, ticks * TICK))
