"""Change a user in the name of an administrator, or of whoever runs the service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from falcon_auth.accounts.directory import UNKNOWN_USER
from falcon_auth.accounts.rules import check_username, username_violations
from falcon_auth.audit.trail import COMMAND, AuditWord, Trail
from falcon_auth.delivery.mails import LinkTokens, Mails, sign_link
from falcon_auth.delivery.topics import TopicName
from falcon_auth.errors import (
    AccountDisabledError,
    InvalidBodyError,
    NotFoundError,
    Violation,
)
from falcon_auth.models import Effects, Message
from falcon_auth.observability.event_table import EventName
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.store import Authority, Store
from falcon_auth.store.directory import Changed, Unchanged, UserChange

ALL_FACTORS = "all"  # In the place of a factor's name.
DISABLED = "This account is disabled; enable it first."
UNKNOWN_ROLE = "Names a role that is not defined."

FACTOR_MAIL: TopicName = "factor_removed"
RESET_MAIL: TopicName = "reset"


class UserChanges:
    """The use cases of changing somebody else's account. Safe to call from any thread.

    *by* is in whose name; None stands for whoever runs the service. Every method raises
    `NotFoundError` for an unknown user, `StoreUnavailableError`, and with *by* also
    `InsufficientScopeError` and `RevokedTokenError`: the scopes that count are those at the moment
    of the change.
    """

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

    def violations(self, *, username: str | None) -> list[Violation]:
        """Return the violations of a user name that `change` would raise."""
        return username_violations(username)

    def change(self, user_id: str, change: UserChange, *, by: Authority | None = None) -> Changed:
        """Change all of it at once, or nothing.

        Raises `InvalidBodyError` for a user name or a role that does not exist,
        `DuplicateUsernameError`, `LastAdministratorError`.
        """
        if not isinstance(change.username, Unchanged):
            check_username(change.username)
        actor = actor_of(by)
        try:
            changed = self._store.directory.change(
                user_id,
                change,
                by=by,
                now=self._clock(),
                effects=lambda changed: merge(self._tell(change, changed, actor)),
            )
        except NotFoundError:  # A role: that there is no such user, the store returns.
            raise InvalidBodyError([unknown_role()]) from None
        if changed is None:
            raise NotFoundError(UNKNOWN_USER)
        self._record(change, changed)
        return changed

    def delete(
        self, user_id: str, *, by: Authority | None = None, only_version: int | None = None
    ) -> None:
        """Delete a user and everything stored about them, at once.

        With *only_version*, a user whose `email_version` is another is kept, as if there were
        none. Raises `LastAdministratorError`.
        """
        effects = self._trail.effects("user.deleted", actor=actor_of(by), subject=user_id)
        change = self._store.users.delete(
            user_id, only_version=only_version, by=by, effects=effects
        )
        if change is None:
            raise NotFoundError(UNKNOWN_USER)
        self._events.record("user_deleted", user_id=user_id)
        self._record_ended(user_id, change.ended, "deleted")

    def request_reset(self, user_id: str, *, by: Authority | None = None) -> str | None:
        """Send the user a link to set a password; return its token if the service sends no mail.

        The password stays as it is until then. Raises `AccountDisabledError`.
        """
        mail: tuple[Message, ...] = ()

        def tell(changed: Changed) -> Effects:
            nonlocal mail
            if not changed.before.is_active:
                raise AccountDisabledError(DISABLED)
            mail = self._mails.message(RESET_MAIL, changed.before)
            return self._trail.effects(
                "password.reset_requested", actor=actor_of(by), subject=user_id, messages=mail
            )

        changed = self._store.directory.change(
            user_id, UserChange(), by=by, now=self._clock(), effects=tell
        )
        if changed is None:
            raise NotFoundError(UNKNOWN_USER)
        if mail:
            return None
        return sign_link(
            RESET_MAIL,
            changed.before,
            self._tokens,
            handed_to=None if by is None else by.actor_id,
            clock=self._clock,
        )

    def _tell(self, change: UserChange, changed: Changed, actor: str) -> Iterator[Effects]:
        """Return an audit event for each thing that changes, and the mails to the user."""
        before, after = changed.before, changed.after
        trail, subject = self._trail, before.id
        if after.is_active != before.is_active:
            word: AuditWord = "user.enabled" if after.is_active else "user.disabled"
            yield trail.effects(word, actor=actor, subject=subject)
        if after.username != before.username:
            yield trail.effects("user.renamed", actor=actor, subject=subject)
        if after.email_verified != before.email_verified:
            verified = after.email_verified
            yield trail.effects("user.verified", actor=actor, subject=subject, verified=verified)
        for role in sorted({*after.roles} - {*before.roles}):
            yield trail.effects("role.granted", actor=actor, subject=subject, role=role)
        for role in sorted({*before.roles} - {*after.roles}):
            yield trail.effects("role.revoked", actor=actor, subject=subject, role=role)
        if before.factor_count > after.factor_count:
            yield trail.effects(
                "factor.removed",
                actor=actor,
                subject=subject,
                messages=self._mails.message(FACTOR_MAIL, before, factor=ALL_FACTORS),
                kind=ALL_FACTORS,
            )
        if change.end_sessions and changed.ended:
            yield trail.effects("session.ended", actor=actor, subject=subject, all=True)

    def _record(self, change: UserChange, changed: Changed) -> None:
        before, after = changed.before, changed.after
        if after.is_active != before.is_active:
            name: EventName = "user_enabled" if after.is_active else "user_disabled"
            self._events.record(name, user_id=after.id)
        if after.username != before.username:
            self._events.record("user_renamed", user_id=after.id)
        if after.email_verified and not before.email_verified:
            self._events.record("email_verified", user_id=after.id)
        if change.remove_factors:
            self._events.record("factors_removed", user_id=after.id, count=before.factor_count)
        if change.ends_sessions:
            reason = "revoked" if change.end_sessions else "disabled"
            self._record_ended(after.id, changed.ended, reason)

    def _record_ended(self, user_id: str, count: int, reason: str) -> None:
        self._events.record("sessions_ended", count=count, user_id=user_id, reason=reason)


def actor_of(by: Authority | None) -> str:
    """Return who acts, as `Trail.effects` takes it."""
    return COMMAND if by is None else by.actor_id


def unknown_role() -> Violation:
    """Return the violation of a role without definition."""
    return Violation("/roles", InvalidBodyError.code, UNKNOWN_ROLE)


def merge(parts: Iterable[Effects]) -> Effects:
    """Return all effects as one."""
    found = list(parts)
    return Effects(
        events=tuple(event for part in found for event in part.events),
        messages=tuple(message for part in found for message in part.messages),
    )
