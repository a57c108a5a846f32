"""Change the e-mail address: the new one has to be confirmed, and the old one is notified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from falcon_auth.accounts.email_addresses import parse_email
from falcon_auth.accounts.enquiries import Enquiries, fact
from falcon_auth.accounts.links import SPENT, Links
from falcon_auth.accounts.mail_limits import MailLimits
from falcon_auth.accounts.rules import check_email, email_violations
from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import Mails
from falcon_auth.delivery.topics import CHANGE, TopicName
from falcon_auth.errors import InvalidTokenError, RevokedTokenError, Violation
from falcon_auth.models import Caller, Client, Effects, Message
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.store import UserStore

EMAIL_CHANGE: TopicName = "email_change"
POINTER = "/new_email"


class AddressChange:
    """The use cases of changing an e-mail address. Safe to call from any thread."""

    def __init__(
        self,
        users: UserStore,
        links: Links,
        enquiries: Enquiries,
        limits: MailLimits,
        mails: Mails,
        trail: Trail,
        *,
        clock: Callable[[], float],
        events: Events = LOG_ONLY,
    ) -> None:
        self._users = users
        self._links = links
        self._enquiries = enquiries
        self._limits = limits
        self._mails = mails
        self._trail = trail
        self._clock = clock
        self._events = events

    def violations(self, *, new_email: str | None) -> list[Violation]:
        """Return the violations that `ask` would raise; None stands for a missing member."""
        return email_violations(new_email, pointer=POINTER)

    def ask(self, caller: Caller, *, new_email: str, client: Client) -> None:
        """Ask for a mail to the new address; the outcome is the same if the address is taken.

        Raises `InvalidBodyError`, `RateLimitedError`, `StoreUnavailableError`.
        """
        address = check_email(new_email, pointer=POINTER)
        self._enquiries.ask(
            EMAIL_CHANGE,
            client,
            user_id=caller.user_id,
            new_email=address.text,
            session_id=caller.session_id,
            password_version=caller.user.password_version,
            email_version=caller.user.email_version,
        )

    def answer(self, enquiry: Message) -> None:
        """Queue the link, or a notice if the address is taken; and notify the old address."""
        user = self._users.find(enquiry.user_id or "")
        asked = (enquiry.payload["password_version"], enquiry.payload["email_version"])
        if user is None or (user.password_version, user.email_version) != asked:
            return
        address = parse_email(fact(enquiry, "new_email") or "")
        language, ip = fact(enquiry, "language"), fact(enquiry, "ip")
        messages = self._mails.message(
            "email_change_notice", user, language=language, new_email=address.text, ip=ip
        )
        if self._limits.take_share(address.key):
            owner = self._users.find_by_email(address.key)
            if owner is None or owner.id == user.id:
                link = self._mails.message(
                    EMAIL_CHANGE, user, to=address.text, language=language, ip=ip
                )
                session_id = fact(enquiry, "session_id")
                messages += tuple(
                    replace(each, payload={**each.payload, "session_id": session_id})
                    for each in link
                )
            else:
                messages += self._mails.message(
                    "email_change_attempt", user, to=address.text, language=language, ip=ip
                )
        self._users.tell(user, Effects(messages=messages))

    def confirm(self, token: str, *, client: Client) -> None:
        """Change the user's address; every session except the one that asked for it ends.

        Raises `InvalidTokenError`, `ExpiredTokenError`; `RevokedTokenError`, also if the session
        that asked has ended; `DuplicateEmailError` if the address has been taken meanwhile.
        """
        claims = self._links.read(token, CHANGE)
        if claims.session_id is None:
            raise InvalidTokenError("sid")
        user = self._links.unspent_owner_of(claims)
        address = parse_email(claims.to)
        notice = self._mails.message(
            "email_changed",
            user,
            to=user.email,
            language=client.language,
            new_email=address.text,
            ip=client.ip,
        )
        change = self._users.change_email(
            user,
            email=address.text,
            email_key=address.key,
            keep_session=claims.session_id,
            now=self._clock(),
            effects=self._trail.effects(
                "email.changed", actor=user.id, subject=user.id, messages=notice
            ),
        )
        if change is None:
            raise RevokedTokenError(SPENT)
        self._events.record("email_changed", user_id=user.id)
        self._events.record("sessions_ended", count=change.ended, user_id=user.id, reason="email")
