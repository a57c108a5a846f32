"""Builds the audit event of a change, which the store writes in the change's own transaction.

A use case states what happened, who did it, and to whom. The time is added here, and so are the
address, browser and id of the request that this thread is serving, if any.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Literal

from falcon_auth.models import (
    RANDOM_BITS,
    AuditEvent,
    Effects,
    Failure,
    FailureCount,
    Message,
    time_ordered_id,
)
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.observability.logs import request_client, request_fields
from falcon_auth.store import AuditStore
from falcon_auth.throttle.client_buckets import client_bucket
from falcon_auth.throttle.limits import digest

AuditWord = Literal[
    "user.registered",
    "user.verified",
    "user.invited",
    "user.renamed",
    "user.disabled",
    "user.enabled",
    "user.deleted",
    "login.succeeded",
    "login.failed",
    "session.ended",
    "refresh.reused",
    "password.changed",
    "password.reset",
    "password.reset_requested",
    "email.changed",
    "factor.added",
    "factor.removed",
    "identity.linked",
    "identity.unlinked",
    "role.granted",
    "role.revoked",
    "role.changed",
]
Outcome = Literal["success", "failure"]
Detail = str | int | bool | None
COMMAND = "command"  # The actor of changes made on the command line.

HOUR = 3600
_STEP_BITS = 32  # So that the next id cannot be guessed from the last one.

# Returns the messages that tell others of an event; they are written with it.
Announce = Callable[[AuditEvent], tuple[Message, ...]]


def announce_to_nobody(_event: AuditEvent) -> tuple[Message, ...]:
    """Return no message: there are no webhooks."""
    return ()


class Trail:
    """Builds audit events. Safe to call from any thread.

    *clock* gives epoch seconds. *announce* is called for each event that is told to others, before
    it is stored: for all but failed log-ins, and what sums failures up.
    """

    def __init__(
        self,
        store: AuditStore,
        *,
        clock: Callable[[], float],
        events: Events = LOG_ONLY,
        announce: Announce = announce_to_nobody,
    ) -> None:
        self._store = store
        self._clock = clock
        self._events = events
        self._announce = announce
        self._ids = _Ids()

    def effects(
        self,
        event: AuditWord,
        *,
        actor: str | None,
        subject: str | None,
        outcome: Outcome = "success",
        messages: tuple[Message, ...] = (),
        **details: Detail,
    ) -> Effects:
        """Return what the change writes: its event, and *messages* (mails) that it gives rise to.

        *actor* is who did it: a user's id, `COMMAND`, `service:NAME`, or None where nobody knows.
        Users who act for themselves are actor and *subject*, also without a token. *details* are
        ids, fixed words and numbers: nothing that a user wrote, since they outlive the user.
        """
        made = self.event(event, actor=actor, subject=subject, outcome=outcome, **details)
        return Effects(events=(made,), messages=(*messages, *self._announce(made)))

    def event(
        self,
        event: AuditWord,
        *,
        actor: str | None,
        subject: str | None,
        outcome: Outcome = "success",
        **details: Detail,
    ) -> AuditEvent:
        """Return an event alone, which nobody is told of; otherwise as `effects`."""
        now = self._clock()
        client = request_client.get()
        return AuditEvent(
            id=self._ids.next(now),
            at=now,
            event=event,
            outcome=outcome,
            actor=actor,
            subject=subject,
            ip=None if client is None else client.ip,
            user_agent=None if client is None else client.user_agent,
            request_id=request_fields.get().get("request_id"),
            details=details,
        )

    def effects_of_failure(
        self,
        event: AuditWord,
        *,
        account: str,
        actor: str | None,
        subject: str | None,
        messages: tuple[Message, ...] = (),
        **details: Detail,
    ) -> Effects:
        """Return the same for a refused attempt, which is counted where there are too many.

        *account* is the e-mail key of the account that was tried, whether or not it exists.
        """
        failure = self._fail(event, account, actor, subject, details)
        return Effects(messages=(*messages, *self._announce(failure.event)), failures=(failure,))

    def record_failed_login(
        self, *, account: str, actor: str | None = None, subject: str | None, reason: str
    ) -> None:
        """Write a failed log-in, which changes no record; at a change by a user, *actor* is them.

        A round trip, the same for accounts that exist and those that do not. Raises
        `StoreUnavailableError`.
        """
        failure = self._fail("login.failed", account, actor, subject, {"reason": reason})
        kept = self._store.append_failure(failure)
        self._events.record("audit_failure", result="kept" if kept else "summed")

    def sum_of(self, count: FailureCount) -> Effects:
        """Return what tells of failures that were not kept one by one."""
        began = datetime.fromtimestamp(count.hour * HOUR, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        made = AuditEvent(
            id=self._ids.next(now := self._clock()),
            at=now,
            event=count.event,
            outcome="failure",
            subject=count.subject,
            ip=count.ip,
            details={"count": count.count, "hour": began},
        )
        return Effects(events=(made,))

    def _fail(
        self,
        event: AuditWord,
        account: str,
        actor: str | None,
        subject: str | None,
        details: Mapping[str, Detail],
    ) -> Failure:
        made = self.event(event, actor=actor, subject=subject, outcome="failure", **details)
        return Failure(
            event=made,
            account=digest(account),
            client=client_bucket(made.ip),
            hour=int(made.at // HOUR),
        )


class _Ids:
    """Makes ids that sort in the order in which this process makes them (RFC 9562, 6.2).

    Within a millisecond, each one's random bits are those of the one before it plus a random step.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._millisecond = -1
        self._random = 0

    def next(self, now: float) -> str:
        """Return an id that sorts after the last one, unless the clock was put back."""
        millisecond = int(now * 1000)
        with self._lock:
            if millisecond != self._millisecond:
                self._millisecond = millisecond
                self._random = secrets.randbits(RANDOM_BITS - 1)  # Room for all that follow.
            else:
                self._random += 1 + secrets.randbits(_STEP_BITS)
            return time_ordered_id(now, self._random)
