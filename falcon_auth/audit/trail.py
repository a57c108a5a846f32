"""Makes the audit event of a change, for the store to write in the change's own transaction.

A use case says what happened, who did it and to whom. When it happened, and from which address,
browser and request, is added here: from the request that this thread serves, if it serves one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from threading import Lock
from typing import Literal

from falcon_auth.models import RANDOM_BITS, AuditEvent, Effects, Message, time_ordered_id
from falcon_auth.observability.logs import request_client, request_fields

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
COMMAND = "command"  # The actor of what is done on the command line.

_STEP_BITS = 32  # Nobody guesses the next id from the last one.

# Returns the messages that tell others of an event; they are written with it.
Announce = Callable[[AuditEvent], tuple[Message, ...]]


def announce_to_nobody(_event: AuditEvent) -> tuple[Message, ...]:
    """Return no message: there are no webhooks."""
    return ()


class Trail:
    """Makes audit events. Safe to call from any thread.

    *clock* gives epoch seconds. *announce* is called for each event, before it is stored.
    """

    def __init__(
        self, *, clock: Callable[[], float], announce: Announce = announce_to_nobody
    ) -> None:
        self._clock = clock
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
        """Return an event alone, which nobody is told of."""
        now = self._clock()
        client, request_id = request_client.get(), request_fields.get().get("request_id")
        return AuditEvent(
            id=self._ids.next(now),
            at=now,
            event=event,
            outcome=outcome,
            actor=actor,
            subject=subject,
            ip=None if client is None else client.ip,
            user_agent=None if client is None else client.user_agent,
            request_id=request_id,
            details=details,
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
