"""Builds the use cases of the account life cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from falcon_auth.accounts.address_change import EMAIL_CHANGE, AddressChange
from falcon_auth.accounts.enquiries import Enquiries, EnquiryChannel
from falcon_auth.accounts.invitation import Inviting
from falcon_auth.accounts.links import Links
from falcon_auth.accounts.mail_limits import MailLimits
from falcon_auth.accounts.own_account import OwnAccount, Section
from falcon_auth.accounts.password_check import PasswordCheck
from falcon_auth.accounts.recovery import RESET_MAIL, PasswordReset, ResetRequests
from falcon_auth.accounts.rules import AccountRules
from falcon_auth.accounts.verification import VERIFICATION, Verification
from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import LinkTokens, Mails
from falcon_auth.observability.events import Events
from falcon_auth.passwords import Passwords
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.store import Store
from falcon_auth.throttle.attempts import Throttle

# What `GET account` shows of capabilities that are off.
NOTHING_FURTHER: dict[str, Section] = {
    name: lambda _user: () for name in ("factors", "identities", "roles", "activity")
}


@dataclass(frozen=True, slots=True)
class LifeByMail:
    """The use cases that exist only if mail is configured."""

    verification: Verification
    reset_requests: ResetRequests
    address_change: AddressChange

    @property
    def channel(self) -> EnquiryChannel:
        """The channel that answers enquiries, on the delivery thread."""
        return EnquiryChannel(
            {
                VERIFICATION: self.verification.answer,
                RESET_MAIL: self.reset_requests.answer,
                EMAIL_CHANGE: self.address_change.answer,
            }
        )


@dataclass(frozen=True, slots=True)
class Life:
    """The use cases of the account life cycle; `by_mail` is None if no mail is configured."""

    own_account: OwnAccount
    password_reset: PasswordReset
    inviting: Inviting
    by_mail: LifeByMail | None


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


def make_life(
    parts: Parts,
    tokens: LinkTokens,
    sections: Mapping[str, Section],
    expect: Callable[[], None] | None,
) -> Life:
    """Build them.

    *sections* are what the capabilities that are on keep about a user.
    *expect* has the delivery thread look for enquiries soon; None where there are no mails.
    """
    users, clock, events = parts.store.users, parts.clock, parts.events
    return Life(
        own_account=OwnAccount(
            users, parts.sessions, {**NOTHING_FURTHER, **sections}, clock=clock, events=events
        ),
        password_reset=PasswordReset(
            users,
            parts.links,
            parts.passwords,
            parts.rules,
            parts.throttle,
            parts.mails,
            clock=clock,
            events=events,
        ),
        inviting=Inviting(users, parts.mails, tokens, clock=clock, events=events),
        by_mail=None if expect is None else _make_life_by_mail(parts, expect),
    )


def _make_life_by_mail(parts: Parts, expect: Callable[[], None]) -> LifeByMail:
    users, links, limits, mails = parts.store.users, parts.links, parts.limits, parts.mails
    clock, events = parts.clock, parts.events
    enquiries = Enquiries(parts.store.outbox, limits, clock=clock, expect=expect)
    return LifeByMail(
        verification=Verification(
            users, links, parts.check, enquiries, limits, mails, clock=clock, events=events
        ),
        reset_requests=ResetRequests(users, enquiries, limits, mails),
        address_change=AddressChange(
            users, links, enquiries, limits, mails, clock=clock, events=events
        ),
    )
