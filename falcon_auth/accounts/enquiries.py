"""Requests for a mail, which are decided after the response has been sent.

A client that asks for a mail must not learn, from the response or its timing, whether the address
has an account. So every request does the same work: it puts one message into the outbox. The
delivery thread looks the user up later and decides whether a mail is due: the message survives a
crash, and no request waits for the look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from falcon_auth.accounts.mail_limits import MailLimits
from falcon_auth.delivery.channel import MAIL_PAUSES, PermanentDeliveryError, TemporaryDeliveryError
from falcon_auth.errors import StoreUnavailableError
from falcon_auth.models import Client, Message, time_ordered_id
from falcon_auth.observability.logs import request_client, request_fields
from falcon_auth.store import OutboxStore

CHANNEL: Literal["enquiry"] = "enquiry"

Answer = Callable[[Message], None]


class Enquiries:
    """Queues enquiries. Safe to call from any thread.

    *clock* gives epoch seconds. *expect* is called for each enquiry, to wake the delivery thread.
    """

    def __init__(
        self,
        outbox: OutboxStore,
        limits: MailLimits,
        *,
        clock: Callable[[], float],
        expect: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._limits = limits
        self._clock = clock
        self._expect = expect

    def ask(
        self, topic: str, client: Client, *, user_id: str | None = None, **facts: str | int
    ) -> None:
        """Queue an enquiry with its *facts*.

        Raises `RateLimitedError` if the client has asked too often, and `StoreUnavailableError`.
        """
        self._limits.admit(client)
        now = self._clock()
        enquiry = Message(
            id=time_ordered_id(now),
            channel=CHANNEL,
            topic=topic,
            user_id=user_id,
            payload={
                **facts,
                "ip": client.ip,
                "language": client.language,
                "user_agent": client.user_agent,
                "request_id": request_fields.get().get("request_id"),
            },
            created_at=now,
            due_at=now,
        )
        self._expect()
        self._outbox.add([enquiry])


class EnquiryChannel:
    """Passes each enquiry to the use case that queued it; a `Channel` of the outbox."""

    pauses = MAIL_PAUSES

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers

    def deliver(self, message: Message) -> None:
        """Look the user up, and queue the mails that are due, if any.

        After a crash an enquiry may be delivered a second time; the limit on mails still applies.
        """
        answer = self._answers.get(message.topic)
        if answer is None:  # Another version of the service may have asked.
            raise PermanentDeliveryError("topic is unknown")
        try:
            with _asking_request(message):
                answer(message)
        except StoreUnavailableError:
            raise TemporaryDeliveryError("store is unavailable") from None

    def rest(self) -> None:
        """Return at once: this channel holds no connections."""


@contextmanager
def _asking_request(enquiry: Message) -> Iterator[None]:
    """Have log and audit trail show the request that asked, while the block runs."""
    known = {name: fact(enquiry, name) for name in ("request_id", "ip")}
    fields = request_fields.set({name: value for name, value in known.items() if value})
    client = request_client.set(Client(ip=known["ip"], user_agent=fact(enquiry, "user_agent")))
    try:
        yield
    finally:
        request_client.reset(client)
        request_fields.reset(fields)


def fact(enquiry: Message, name: str) -> str | None:
    """Return the fact *name*, which must be a string."""
    value = enquiry.payload.get(name)
    return value if isinstance(value, str) else None
