"""Invite a user: they have no password until they set one by the link in a mail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from falcon_auth.accounts.registration import new_user
from falcon_auth.accounts.rules import check_identity
from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import LinkTokens, Mails, QueuedMails
from falcon_auth.delivery.topics import TopicName
from falcon_auth.errors import DuplicateEmailError
from falcon_auth.models import NO_PASSWORD, Effects, Message, User
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.store import UserStore

INVITATION_MAIL: TopicName = "invitation"


@dataclass(frozen=True, slots=True)
class Invitation:
    """The invited user, and the token of the link if no mail delivers it."""

    user: User
    token: str | None = field(repr=False)


class Inviting:
    """The use case of inviting. Safe to call from any thread."""

    def __init__(
        self,
        users: UserStore,
        mails: Mails,
        tokens: LinkTokens,
        trail: Trail,
        *,
        clock: Callable[[], float],
        events: Events = LOG_ONLY,
    ) -> None:
        self._users = users
        self._mails = mails
        self._tokens = tokens
        self._trail = trail
        self._clock = clock
        self._events = events

    def invite(self, *, email: str, username: str | None = None, actor: str) -> Invitation:
        """Create a user without a password, and the link by which they set one.

        *actor* is who invites, as `Trail.effects` takes it.
        A user who was invited before and has not accepted yet is invited again, unchanged. Raises
        `InvalidBodyError`, `DuplicateEmailError`, `DuplicateUsernameError`,
        `StoreUnavailableError`.
        """
        address = check_identity(email=email, username=username)
        invited = self._users.find_by_email(address.key)
        if invited is None:
            user = new_user(address, username, NO_PASSWORD, now=self._clock())
            mail = self._mails.message(INVITATION_MAIL, user)
            self._users.add(user, effects=self._effects(user, actor, mail))
        else:
            user = invited
            if user.has_password or user.email_verified:
                raise DuplicateEmailError
            mail = self._mails.message(INVITATION_MAIL, user)
            if not self._users.tell(user, self._effects(user, actor, mail)):
                raise DuplicateEmailError  # They have just accepted, or are disabled.
        self._events.record("user_invited", user_id=user.id)
        return Invitation(user, None if mail else self._sign(user))

    def _effects(self, user: User, actor: str, mail: tuple[Message, ...]) -> Effects:
        return self._trail.effects("user.invited", actor=actor, subject=user.id, messages=mail)

    def _sign(self, user: User) -> str:
        """Sign the token of a link that is handed over instead of mailed."""
        made = QueuedMails(clock=self._clock, expect=lambda: None)
        (message,) = made.message(INVITATION_MAIL, user)
        return self._tokens.sign(message)
