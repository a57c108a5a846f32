"""The collaborators that the use cases of second factors share; `service` builds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from falcon_auth.accounts.password_check import PasswordCheck
from falcon_auth.audit.trail import Trail
from falcon_auth.factors.challenges import Challenges
from falcon_auth.factors.notices import Notices
from falcon_auth.observability.events import Events
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.store import Store
from falcon_auth.throttle.attempts import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundations:
    """The shared collaborators; *clock* gives epoch seconds.

    With *only_verified*, users whose address is not verified yet cannot log in.
    """

    store: Store
    sessions: Sessions
    passwords: PasswordCheck
    throttle: Throttle
    challenges: Challenges
    notices: Notices
    only_verified: bool
    clock: Callable[[], float]
    trail: Trail
    events: Events
