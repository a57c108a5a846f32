"""How recently, and how strongly, a session was authenticated (RFC 9470)."""

# ruff: noqa: D102 - the protocol's members are described where `Caller` and `Claims` have them
from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from falcon_auth.errors import StepUpRequiredError
from falcon_auth.models import SEVERAL_FACTORS

DEFAULT_RECENT_SECONDS = 600


class Proven(Protocol):
    """An authenticated user: a `Caller` here, or the `Claims` of a token in another service."""

    @property
    def auth_time(self) -> float: ...
    @property
    def amr(self) -> Collection[str]: ...
    @property
    def has_factors(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Recency:
    """Checks the age and the strength of an authentication, without a store. Thread-safe.

    *clock* gives epoch seconds.
    """

    max_age_seconds: int
    clock: Callable[[], float]

    def check(self, proven: Proven, *, recent: bool, factor: bool) -> None:
        """Raise `StepUpRequiredError` unless the authentication is as required.

        *recent*: it is recent, and included a second factor if the user is known to have one.
        *factor*: it included a second factor.
        """
        limit = self.max_age_seconds if recent else None
        has_used_factor = SEVERAL_FACTORS in proven.amr
        if (factor or (recent and proven.has_factors)) and not has_used_factor:
            raise StepUpRequiredError(limit)
        if recent and self.clock() - proven.auth_time > self.max_age_seconds:
            raise StepUpRequiredError(limit)
