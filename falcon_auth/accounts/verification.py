"""Verify an e-mail address: by the link in a mail, together with the user's password or session."""

from __future__ import annotations

from falcon_auth.accounts.enquiries import Enquiries, fact
from falcon_auth.accounts.links import SPENT, LinkClaims
from falcon_auth.accounts.parts import Parts
from falcon_auth.delivery.topics import VERIFY, TopicName
from falcon_auth.errors import RevokedTokenError, StepUpRequiredError
from falcon_auth.models import Caller, Client, Effects, Message, User
from falcon_auth.passwords import Abandoned

VERIFICATION: TopicName = "verification"


class Verification:
    """The use cases around verifying an address. Safe to call from any thread."""

    def __init__(self, on: Parts, enquiries: Enquiries) -> None:
        self._users = on.store.users
        self._links = on.links
        self._check = on.check
        self._enquiries = enquiries
        self._limits = on.limits
        self._mails = on.mails
        self._trail = on.trail
        self._clock = on.clock
        self._events = on.events

    def ask(self, caller: Caller, client: Client) -> None:
        """Ask for another mail. Raises `RateLimitedError`, `StoreUnavailableError`."""
        self._enquiries.ask(VERIFICATION, client, user_id=caller.user_id)

    def answer(self, enquiry: Message) -> None:
        """Queue the mail if the address is not verified and its limit is not reached."""
        user = self._users.find(enquiry.user_id or "")
        if user is None or user.email_verified or not user.is_active:
            return
        if not self._limits.take_share(user.email_key):
            return
        mail = self._mails.message(
            VERIFICATION, user, language=fact(enquiry, "language"), ip=fact(enquiry, "ip")
        )
        self._users.tell(user, Effects(messages=mail))

    def verify(
        self,
        token: str,
        *,
        password: str | None,
        caller: Caller | None,
        client: Client,
        abandoned: Abandoned | None = None,
    ) -> None:
        """Mark the address as verified; repeating it changes nothing.

        The link alone is not enough: an attacker may have registered another person's address, and
        that person must not confirm the account by opening a link. So the *password*, or the user's
        own session (*caller*), is needed as well.

        Raises `InvalidTokenError`, `ExpiredTokenError`, `RevokedTokenError`; `StepUpRequiredError`
        for the link alone or another user's session; and what `PasswordLogin.log_in` raises.
        """
        claims = self._links.read(token, VERIFY)
        user = self._links.owner_of(claims)
        if not (claims.are_of(user) or _was_used(claims, user)):
            raise RevokedTokenError(SPENT)
        self._prove(user, password, caller, client, abandoned)
        if user.email_verified:
            return
        effects = self._trail.effects("user.verified", actor=user.id, subject=user.id)
        if self._users.verify_email(user, now=self._clock(), effects=effects):
            self._events.record("email_verified", user_id=user.id)
        elif not _was_used(claims, self._links.owner_of(claims)):
            raise RevokedTokenError(SPENT)

    def _prove(
        self,
        user: User,
        password: str | None,
        caller: Caller | None,
        client: Client,
        abandoned: Abandoned | None,
    ) -> None:
        if password is not None:
            self._check.admit(user.email_key, client)
            actor = user.id if caller is not None and caller.user_id == user.id else None
            self._check.compare(user, user.email_key, password, client, abandoned, actor=actor)
        elif caller is None or caller.user_id != user.id:
            raise StepUpRequiredError


def _was_used(claims: LinkClaims, user: User) -> bool:
    """Return whether this very link has verified the user's address."""
    return (
        user.email_verified
        and user.email == claims.to
        and user.email_version == claims.email_version + 1
        and user.password_version == claims.password_version
    )
