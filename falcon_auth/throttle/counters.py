"""The interface of counter backends, implemented by memory, SQL databases and Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Window(NamedTuple):
    """A counter's current state; `ends_at` is in epoch seconds."""

    hits: int
    ends_at: float


class Counters(Protocol):
    """Counts hits in fixed windows, each of which begins with its first hit.

    A counter's key is `NAMESPACE/REST`; all windows of one namespace have one length.
    Safe to call from any thread; each method is one atomic step, also across processes.
    Any of them raises `StoreUnavailableError` when the backend cannot answer.
    """

    def read(self, keys: Sequence[str]) -> list[Window]:
        """Return the current windows, in the order of *keys*; a counter without one has no hits."""

    def count(self, keys: Sequence[str], seconds: int) -> list[Window]:
        """Count one hit in each; the first hit starts a window of *seconds*.

        Returns the windows in the order of *keys*, with the hit in them.
        """

    def clear_unless_reached(self, key: str, amounts: Mapping[str, int]) -> list[Window]:
        """Clear the counter *key*, unless one of the counters has reached its amount.

        *amounts* map counters, *key* among them, to amounts. Returns their previous windows in that
        order: the counter was cleared if each has fewer hits than its amount.
        """

    def restart(self, key: str, seconds: int) -> None:
        """Start a window of *seconds* now with one hit, replacing any current one."""


def is_reached(windows: Sequence[Window], amounts: Mapping[str, int]) -> bool:
    """Return whether one of *windows* has reached its amount; both are in the same order."""
    return any(
        window.hits >= amount for window, amount in zip(windows, amounts.values(), strict=True)
    )
