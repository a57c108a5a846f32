"""Invite a user: they have no password until they set one by the link in a mail."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from falcon_auth.accounts.registration import new_user
from falcon_auth.accounts.rules import check_identity, identity_violations
from falcon_auth.accounts.user_changes import actor_of, merge, unknown_role
from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import LinkTokens, Mails, sign_link
from falcon_auth.delivery.topics import TopicName
from falcon_auth.errors import DuplicateEmailError, InvalidBodyError, NotFoundError, Violation
from falcon_auth.models import NO_PASSWORD, Effects, Message, User
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.store import Authority, Store
from falcon_auth.store.directory import Changed, UserChange

INVITATION_MAIL: TopicName = "invitation"

Mail = tuple[Message, ...]  # One, or none where the service sends no mail.


@dataclass(frozen=True, slots=True)
class Invitation:
    """The invited user, and the token of the link if no mail delivers it."""

    user: User
    token: str | None = field(repr=False)


class Inviting:
    """The use case of inviting. Safe to call from any thread."""

    def __init__(
        self,
        store: Store,
        mails: Mails,
        tokens: LinkTokens,
        trail: Trail,
        *,
        clock: Callable[[], float],
        events: Events = LOG_ONLY,
    ) -> None:
        self._store = store
        self._mails = mails
        self._tokens = tokens
        self._trail = trail
        self._clock = clock
        self._events = events

    def violations(self, *, email: str | None, username: str | None) -> list[Violation]:
        """Return the violations that `invite` would raise; None stands for a missing member."""
        return identity_violations(email=email, username=username)

    def invite(
        self,
        *,
        email: str,
        username: str | None = None,
        roles: Collection[str] = (),
        by: Authority | None = None,
    ) -> Invitation:
        """Create a user without a password, and the link by which they set one.

        *by* is in whose name; None stands for whoever runs the service. A user who was invited
        before and has not accepted yet is invited again, unchanged. Raises `InvalidBodyError`,
        also for a role that is not defined, `DuplicateEmailError`, `DuplicateUsernameError`,
        `StoreUnavailableError`; with *by*, `InsufficientScopeError` if the user is to have, or
        has, a scope that the inviting user lacks.
        """
        address = check_identity(email=email, username=username)
        invited = self._store.users.find_by_email(address.key)
        if invited is None:
            user = new_user(address, username, NO_PASSWORD, now=self._clock())
            user, mail = self._add(replace(user, roles=tuple(sorted({*roles}))), by)
        else:
            user, mail = self._invite_again(invited.id, by)
        self._events.record("user_invited", user_id=user.id)
        if mail:
            return Invitation(user, None)
        token = sign_link(
            INVITATION_MAIL,
            user,
            self._tokens,
            handed_to=None if by is None else by.actor_id,
            clock=self._clock,
        )
        return Invitation(user, token)

    def _add(self, user: User, by: Authority | None) -> tuple[User, Mail]:
        mail = self._mails.message(INVITATION_MAIL, user)
        actor = actor_of(by)
        granted = (
            self._trail.effects("role.granted", actor=actor, subject=user.id, role=role)
            for role in user.roles
        )
        try:
            self._store.users.add(
                user, by=by, effects=merge([self._effects(user, by, mail), *granted])
            )
        except NotFoundError:
            raise InvalidBodyError([unknown_role()]) from None
        return user, mail

    def _invite_again(self, user_id: str, by: Authority | None) -> tuple[User, Mail]:
        mail: Mail = ()

        def tell(changed: Changed) -> Effects:
            nonlocal mail
            user = changed.before
            if user.has_password or user.email_verified or not user.is_active:
                raise DuplicateEmailError
            mail = self._mails.message(INVITATION_MAIL, user)
            return self._effects(user, by, mail)

        changed = self._store.directory.change(
            user_id, UserChange(), by=by, now=self._clock(), effects=tell
        )
        if changed is None:  # pragma: no cover - deleted in between, which only a race reaches
            raise DuplicateEmailError
        return changed.before, mail

    def _effects(self, user: User, by: Authority | None, mail: Mail) -> Effects:
        return self._trail.effects(
            "user.invited", actor=actor_of(by), subject=user.id, messages=mail
        )
