"""Users with second factors, in one line: see `TestService.add_app` and `add_passkey`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyotp

STEP_SECONDS = 30


@dataclass
class App:
    """An authenticator app that shows the codes of one user, by the test's clock."""

    id: str
    secret: str = field(repr=False)
    clock: Callable[[], float] = field(repr=False)
    recovery_codes: list[str] = field(default_factory=list, repr=False)

    def code(self, *, steps: int = 0) -> str:
        """Return the current code, or the one *steps* of 30 s from now.

        Each code works only once, including the one that confirmed the app: advance the clock, or
        use the next code.
        """
        return pyotp.TOTP(self.secret).at(int(self.clock()) + steps * STEP_SECONDS)
