"""One client's connection: waitress's channel, with deadlines."""

import logging
import socket
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError

from falcon_auth.server.task import Refusal, Task

if TYPE_CHECKING:
    from falcon_auth.server.limits import Limits

Overdue = Literal["request", "answer", "idle", "refused"]
MAX_LINGER_BYTES = 1 << 20  # Read and discarded after a refused request.
LINGER_SECONDS = 2.0  # The longest wait for the rest of a refused request.


class _PathlessLog(logging.LoggerAdapter[logging.Logger]):
    """waitress's logger without paths, since a path may hold a secret."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        return str(msg).partition(" while serving ")[0], kwargs


class Parser(HTTPRequestParser):
    """waitress's parser, which also answers 400 where Python's own parsers raise."""

    # waitress reads these attributes even if the request was too malformed to set them.
    command = "UNKNOWN"
    path = query = request_uri = ""
    url_scheme = "http"

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and the header fields; raise `ParsingError` on any fault."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # `GET http://[`, or a length of 5,000 digits.
            raise ParsingError("Request target or length is invalid") from error


class Connection(HTTPChannel):
    """A client's connection, which records since when the server has been waiting for the client.

    The loop's thread creates, reads and closes it; the threads of the pool answer its requests.
    """

    task_class = Task
    error_task_class = Refusal
    parser_class = Parser
    logger = _PathlessLog(HTTPChannel.logger, {})

    def __init__(self, server: Any, *args: Any, **kwargs: Any) -> None:
        self._clock: Callable[[], float] = server.clock
        self._limits: Limits = server.limits
        self._free_since = self._clock()  # When it was opened, or a request was last answered.
        self._was_answered = False  # Whether any request was answered.
        self._begun: Parser | None = None  # The unfinished request that `_begun_at` refers to.
        self._begun_at = 0.0
        self._unread_since: float | None = None  # Since when the client has been slow to read.
        self._head = b""  # To be sent before the next data.
        self._is_refused = False  # Whether further data is discarded.
        self._lingering_since: float | None = None  # When the refusal was sent.
        self._discarded_bytes = 0  # Bytes.
        super().__init__(server, *args, **kwargs)

    def received(self, data: bytes) -> bool:
        """Receive bytes, and note when the first ones of an unfinished request arrived."""
        if self._lingering_since is not None:
            self._discard(data)
            return True
        self.server.arrivals += 1
        taken: bool = super().received(data)
        if self.request is not self._begun:
            self._begun = self.request
            self._begun_at = self._clock()
        return taken

    def put_before(self, head: bytes) -> None:
        """Keep the head of a response until its body follows, which must happen at once."""
        self._head = head

    def write_soon(self, data: Any) -> int:
        """Send a part of a response, preceded by the head if that is pending."""
        if data and self._head:
            data, self._head = self._head + data, b""
        written: int = super().write_soon(data)
        return written

    def answered(self) -> None:
        """Record that a request is done, while it still counts as running.

        Later, the loop could see a connection without a running request whose idle time seems to
        include that request.
        """
        self._free_since = self._clock()
        self._was_answered = True

    # --- After a refusal: unread data must not keep the client from getting the response

    def linger(self) -> None:
        """After the refusal is sent, close only when the client has closed, or after a time-out.

        Closing a socket with unread data resets the connection, and most clients that are still
        sending would then never see the response (RFC 9112, 9.6).
        """
        self._is_refused = True

    def readable(self) -> bool:
        """Return whether to read; data after a refusal is read too, and discarded."""
        return self._lingering_since is not None or bool(super().readable())

    def handle_close(self) -> None:
        """Close the connection; after a refusal, linger first."""
        if self.will_close and self._is_refused and self._lingering_since is None:
            self._begin_to_linger()
        else:
            super().handle_close()

    def _begin_to_linger(self) -> None:
        self.will_close = False
        self._lingering_since = self._clock()
        with suppress(OSError):  # The client has disconnected, as the next read will show.
            self.socket.shutdown(socket.SHUT_WR)

    def _discard(self, data: bytes) -> None:
        self._discarded_bytes += len(data)
        if self._discarded_bytes > MAX_LINGER_BYTES:
            super().handle_close()

    # --- Deadlines

    def _flush_some(self, do_close: bool = True) -> bool:  # noqa: FBT001, FBT002 - waitress's signature.
        """Send what the socket accepts, and record since when it has not accepted everything.

        That time runs until the client has caught up, so reading slowly does not extend it.
        """
        sent: bool = super()._flush_some(do_close=do_close)
        if not self.total_outbufs_len:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = self._clock()
        return sent

    @property
    def is_idle(self) -> bool:
        """Return whether no request of this client is running and nothing is left to send."""
        return not self.requests and not self.total_outbufs_len and self._lingering_since is None

    def overdue(self, now: float) -> Overdue | None:
        """Return which deadline the client has missed at *now*, if any.

        The time that the application takes is not counted, so the deadline of a pipelined request
        starts when the one before it is answered.
        """
        unread_since, lingering_since = self._unread_since, self._lingering_since
        if unread_since is not None and now - unread_since > self._limits.answer_seconds:
            return "answer"
        if lingering_since is not None and now - lingering_since > LINGER_SECONDS:
            return "refused"
        if not self.is_idle:
            return None
        if self.request is not None:
            begun_at = max(self._begun_at, self._free_since)
            return "request" if now - begun_at > self._limits.request_seconds else None
        limits = self._limits
        patience = limits.idle_seconds if self._was_answered else limits.request_seconds
        return "idle" if now - self._free_since > patience else None

    def eviction_order(self) -> tuple[bool, bool, float]:
        """Return a sort key: connections that sort first are evicted first.

        Those with a half-sent response are kept longest, then those that have completed a request;
        among equals, the most recently active.
        """
        return bool(self.total_outbufs_len), self._was_answered, self._free_since
