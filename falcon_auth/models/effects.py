"""What a change writes beside itself: audit events, and messages to be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that happened to the security of an account or of the service."""

    id: str  # A UUID of version 7: ordered by time.
    at: float
    event: str  # A word of the catalogue, such as `password.changed`.
    outcome: Literal["success", "failure"] = "success"
    actor: str | None = None  # A user's id, `command`, `service:NAME`, or nobody known.
    subject: str | None = None  # The id of the user it happened to.
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    details: Mapping[str, str | int | bool | None] = field(default_factory=dict)  # No secret.


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A refused attempt, as an audit event that is kept only within what its two keys may have.

    *account* stands for the account that was tried, also one that does not exist, and *client* for
    who tried: a bucket of addresses. What exceeds the share of either is counted instead.
    """

    event: AuditEvent
    account: str
    client: str
    hour: int  # Hours since the epoch.


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCount:
    """How many failures of one kind, account or client, and hour were not kept one by one."""

    event: str
    hour: int  # Hours since the epoch.
    subject: str | None  # The user who was tried, where the account's share was used up.
    ip: str | None  # The client, where the client's share was.
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something to be delivered: a mail, the call of a webhook, or an enquiry.

    An enquiry is a request for a mail to a user who has not been looked up yet. A message contains
    the data for the text but never a token: tokens are signed when it is sent.
    """

    id: str  # A UUID of version 7, by which receivers recognise duplicates.
    channel: Literal["mail", "webhook", "enquiry"]
    topic: str  # The mail's template, or the event's type.
    user_id: str | None  # Messages of one user are delivered in order.
    payload: Mapping[str, str | int | bool | None]
    created_at: float
    due_at: float  # When the next attempt is due.
    attempts: int = 0
    failed_at: float | None = None  # When it was given up.
    error: str | None = None  # Why the last attempt failed: a fixed phrase, not a server's text.


@dataclass(frozen=True, slots=True)
class Effects:
    """What a change writes in its own transaction: audit events and messages."""

    events: tuple[AuditEvent, ...] = ()
    messages: tuple[Message, ...] = ()
    failures: tuple[Failure, ...] = ()


NO_EFFECTS = Effects()
