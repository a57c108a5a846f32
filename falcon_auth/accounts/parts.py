"""The collaborators of the use cases of accounts; `service` builds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from falcon_auth.accounts.links import Links
from falcon_auth.accounts.mail_limits import MailLimits
from falcon_auth.accounts.password_check import PasswordCheck
from falcon_auth.accounts.rules import AccountRules
from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import Mails
from falcon_auth.observability.events import Events
from falcon_auth.passwords import Passwords
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.store import Store
from falcon_auth.throttle.attempts import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The collaborators of the use cases. *clock* gives epoch seconds."""

    store: Store
    links: Links
    sessions: Sessions
    passwords: Passwords
    rules: AccountRules
    throttle: Throttle
    check: PasswordCheck
    limits: MailLimits
    mails: Mails
    clock: Callable[[], float]
    trail: Trail
    events: Events
