"""How fresh, and how strong, the proof behind a session is (RFC 9470)."""

# ruff: noqa: D102 - the protocol's members are described where `Caller` and `Claims` have them
from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from falcon_auth.errors import StepUpRequiredError
from falcon_auth.models import SEVERAL_FACTORS

DEFAULT_RECENT_SECONDS = 600


class Proven(Protocol):
    """Whoever a token speaks for: a `Caller`, or the `Claims` of a token elsewhere."""

    @property
    def auth_time(self) -> float: ...
    @property
    def amr(self) -> Collection[str]: ...
    @property
    def has_factors(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Recency:
    """The rule of what is recent. Safe to call from any thread; it asks no store.

    *clock* gives epoch seconds.
    """

    max_age_seconds: int
    clock: Callable[[], float]

    def check(self, proven: Proven, *, recent: bool, factor: bool) -> None:
        """Raise `StepUpRequiredError` unless the proof is *recent*, or had a second *factor*.

        Of a user who is known to have a factor, a recent proof had one.
        """
        limit = self.max_age_seconds if recent else None
        has_used_factor = SEVERAL_FACTORS in proven.amr
        if (factor or (recent and proven.has_factors)) and not has_used_factor:
            raise StepUpRequiredError(limit)
        if recent and self.clock() - proven.auth_time > self.max_age_seconds:
            raise StepUpRequiredError(limit)
