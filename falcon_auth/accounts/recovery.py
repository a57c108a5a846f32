"""Set a new password without the old one, by a link that was sent to the address."""

from __future__ import annotations

from falcon_auth.accounts.email_addresses import parse_email
from falcon_auth.accounts.enquiries import Enquiries, fact
from falcon_auth.accounts.links import SPENT
from falcon_auth.accounts.mail_limits import MailLimits
from falcon_auth.accounts.parts import Parts
from falcon_auth.accounts.rules import check_email, email_violations
from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import Mails
from falcon_auth.delivery.topics import INVITATION, RESET, TopicName
from falcon_auth.errors import RevokedTokenError, Violation
from falcon_auth.models import Client, Message
from falcon_auth.passwords import Abandoned
from falcon_auth.store import UserStore

RESET_MAIL: TopicName = "reset"


class ResetRequests:
    """The use case of asking for a reset. Safe to call from any thread."""

    def __init__(
        self,
        users: UserStore,
        enquiries: Enquiries,
        limits: MailLimits,
        mails: Mails,
        trail: Trail,
    ) -> None:
        self._trail = trail
        self._users = users
        self._enquiries = enquiries
        self._limits = limits
        self._mails = mails

    def violations(self, *, email: str | None) -> list[Violation]:
        """Return the violations that `ask` would raise; None stands for a missing member."""
        return email_violations(email)

    def ask(self, *, email: str, client: Client) -> None:
        """Ask for a reset mail to an address; the outcome is the same for every address.

        Raises `InvalidBodyError` if *email* is not an address, `RateLimitedError`,
        `StoreUnavailableError`.
        """
        address = check_email(email)
        self._enquiries.ask(RESET_MAIL, client, email=address.text)

    def answer(self, enquiry: Message) -> None:
        """Queue the mail if an active user has the address and its limit is not reached."""
        address = parse_email(fact(enquiry, "email") or "")
        user = self._users.find_by_email(address.key)
        if user is None or not user.is_active or not self._limits.take_share(address.key):
            return
        mail = self._mails.message(
            RESET_MAIL, user, language=fact(enquiry, "language"), ip=fact(enquiry, "ip")
        )
        effects = self._trail.effects(
            "password.reset_requested", actor=None, subject=user.id, messages=mail
        )
        self._users.tell(user, effects)


class PasswordReset:
    """The use case of resetting a password. Safe to call from any thread."""

    def __init__(self, on: Parts) -> None:
        self._users = on.store.users
        self._links = on.links
        self._passwords = on.passwords
        self._rules = on.rules
        self._throttle = on.throttle
        self._trail = on.trail
        self._mails = on.mails
        self._clock = on.clock
        self._events = on.events

    def violations(self, *, new_password: str | None) -> list[Violation]:
        """Return the violations that `reset` would raise for any user."""
        return self._rules.new_password_violations(new_password, None)

    def reset(
        self, token: str, *, new_password: str, client: Client, abandoned: Abandoned | None = None
    ) -> None:
        """Set a password by the token of a reset or an invitation; every session ends.

        This also verifies the address. It does not log the user in, because a second factor may be
        required. Raises `InvalidTokenError`, `ExpiredTokenError`, `RevokedTokenError`,
        `InvalidBodyError` if the policy refuses the password, `OverloadedError`.
        """
        claims = self._links.read(token, RESET, INVITATION)
        user = self._links.unspent_owner_of(claims)
        self._rules.check_new_password(new_password, user)
        password_hash = self._passwords.hash(new_password, client=client, abandoned=abandoned)
        notice = self._mails.message(
            "password_changed", user, language=client.language, ip=client.ip
        )
        self._links.check_holder(claims)  # As late as possible: hashing takes its time.
        effects = self._trail.effects(
            "password.reset", actor=user.id, subject=user.id, messages=notice
        )
        change = self._users.reset_password(user, password_hash, now=self._clock(), effects=effects)
        if change is None:  # Another request used the link while this one was hashing.
            raise RevokedTokenError(SPENT)
        self._throttle.remember_client(user.email_key, client.ip)
        self._events.record("password_reset", user_id=user.id)
        self._events.record(
            "sessions_ended", count=change.ended, user_id=user.id, reason="password"
        )
