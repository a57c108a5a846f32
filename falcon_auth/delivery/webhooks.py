"""Webhooks: audit events sent to another service over HTTP, as Standard Webhooks (version 1.0).

The body is made with the event and kept as text, so that every attempt sends the same one; the
signature is made for each attempt, because it covers the time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import io
import json
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

from falcon_auth.delivery.channel import (
    PermanentDeliveryError,
    ServerAwayError,
    TemporaryDeliveryError,
)
from falcon_auth.delivery.deadline import Deadline
from falcon_auth.models import AuditEvent, Message, time_ordered_id

CHANNEL: Literal["webhook"] = "webhook"
CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
MAX_HEAD_BYTES = 64 * 1024  # Of a response, with the interim ones (RFC 9110, 15.2) before it.
MINUTE, HOUR = 60, 3600
# The wait before each further attempt: about a day in all.
PAUSES = (5, 15, 45, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, *[HOUR] * 23)


class WebhookAnnouncer:
    """Makes the message that tells the receiver of an audit event. Safe to call from any thread.

    *expect* is told that a message is about to be stored.
    """

    def __init__(self, expect: Callable[[], None]) -> None:
        self._expect = expect

    def __call__(self, event: AuditEvent) -> tuple[Message, ...]:
        """Return the message, as the only one."""
        self._expect()
        message = Message(
            id=time_ordered_id(event.at),
            channel=CHANNEL,
            topic=event.event,
            user_id=event.subject,
            payload={"body": json.dumps(body_of(event), separators=(",", ":"))},
            created_at=event.at,
            due_at=event.at,
        )
        return (message,)


def body_of(event: AuditEvent) -> dict[str, Any]:
    """Return what the receiver gets: the event without address and browser, which are personal."""
    at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds")
    at = at.replace("+00:00", "Z")
    data = {
        "id": event.id,
        "at": at,
        "event": event.event,
        "outcome": event.outcome,
        "actor": event.actor,
        "subject": event.subject,
        "request_id": event.request_id,
        "details": dict(event.details),
    }
    return {"type": event.event, "timestamp": at, "data": data}


class WebhookChannel:
    """Posts messages to one receiver. For the delivery thread.

    Every status but 2xx is a failure. Redirects are not followed, and no proxy of the environment
    is used. *seconds* is for one message, including the connection.
    """

    pauses = PAUSES

    def __init__(
        self, url: str, key: bytes, *, user_agent: str, clock: Callable[[], float], seconds: float
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._key = key
        self._user_agent = user_agent
        self._clock = clock
        self._seconds = seconds

    def deliver(self, message: Message) -> None:
        """Post one message on a connection of its own. Raises what `Channel.deliver` raises."""
        body = str(message.payload["body"]).encode()
        deadline = Deadline()
        connection = _Connection(self._host, self._port, self._tls, deadline)
        try:
            with deadline.enforce(self._seconds):
                connection.request("POST", self._target, body, self._headers(message.id, body))
                status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            reason = "too slow" if deadline.has_passed else type(error).__name__
            raise ServerAwayError(f"receiver: {reason}") from None
        finally:
            connection.close()
        if deadline.has_passed:  # A head that was cut off is read as if it had ended.
            raise ServerAwayError("receiver: too slow")
        _check(status)

    def rest(self) -> None:
        """Close no connection: each message has its own, which `deliver` closes."""

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._clock()))
        signed = b".".join((message_id.encode(), timestamp.encode(), body))
        signature = base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()
        return {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature}",
        }


def _check(status: int) -> None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    reason = f"receiver answered {status}"
    if status == HTTPStatus.GONE:  # The specification's word for: never again.
        raise PermanentDeliveryError(reason)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServerAwayError(reason)
    raise TemporaryDeliveryError(reason)


class _Head(io.BufferedReader):
    """What is read of a response: its head, which would else have no bound."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._left = MAX_HEAD_BYTES

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line. Raises `HTTPException` where the head is too long."""
        line = super().readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException
        return line


class _Response(http.client.HTTPResponse):
    """A response whose head is bounded."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = _Head(self.fp.detach())


class _Connection(http.client.HTTPConnection):
    """A connection whose socket the deadline knows before the TLS handshake."""

    response_class = _Response

    def __init__(
        self, host: str, port: int | None, tls: ssl.SSLContext | None, deadline: Deadline
    ) -> None:
        super().__init__(host, port or (443 if tls else 80), timeout=READ_SECONDS)
        self._tls = tls
        self._deadline = deadline
        self._handle: socket.socket | None = None

    def connect(self) -> None:
        """Connect, with TLS where the address asks for it."""
        raw = socket.create_connection((self.host, self.port), CONNECT_SECONDS)
        raw.settimeout(READ_SECONDS)
        self.sock = raw
        self._handle = raw.dup()
        self._deadline.watch(self._handle)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(raw, server_hostname=self.host)

    def close(self) -> None:
        """Close the connection, and what the deadline knew it by."""
        super().close()
        if self._handle is not None:
            self._handle.close()
