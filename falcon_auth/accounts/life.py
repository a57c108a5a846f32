"""Builds the use cases of the account life cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from falcon_auth.accounts.address_change import EMAIL_CHANGE, AddressChange
from falcon_auth.accounts.enquiries import Enquiries, EnquiryChannel
from falcon_auth.accounts.invitation import Inviting
from falcon_auth.accounts.own_account import OwnAccount, Section
from falcon_auth.accounts.parts import Parts
from falcon_auth.accounts.recovery import RESET_MAIL, PasswordReset, ResetRequests
from falcon_auth.accounts.verification import VERIFICATION, Verification
from falcon_auth.delivery.mails import LinkTokens

# What `GET account` shows of capabilities that are off.
NOTHING_FURTHER: dict[str, Section] = {name: lambda _user: () for name in ("factors", "identities")}


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
    trail = parts.trail
    return Life(
        own_account=OwnAccount(
            users,
            parts.sessions,
            {**NOTHING_FURTHER, "roles": lambda user: user.roles, **sections},
            trail,
            clock=clock,
            events=events,
        ),
        password_reset=PasswordReset(parts),
        inviting=Inviting(
            parts.store, parts.mails, tokens, parts.trail, clock=clock, events=events
        ),
        by_mail=None if expect is None else _make_life_by_mail(parts, expect),
    )


def _make_life_by_mail(parts: Parts, expect: Callable[[], None]) -> LifeByMail:
    users, links, limits, mails = parts.store.users, parts.links, parts.limits, parts.mails
    clock, events, trail = parts.clock, parts.events, parts.trail
    enquiries = Enquiries(parts.store.outbox, limits, clock=clock, expect=expect)
    return LifeByMail(
        verification=Verification(parts, enquiries),
        reset_requests=ResetRequests(users, enquiries, limits, mails, trail),
        address_change=AddressChange(
            users, links, enquiries, limits, mails, trail, clock=clock, events=events
        ),
    )
