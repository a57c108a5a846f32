"""One client's connection: waitress's channel, with deadlines."""

import logging
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Literal

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError

from falcon_auth.serving.task import Task

if TYPE_CHECKING:
    from falcon_auth.serving.limits import Limits

Overdue = Literal["request", "answer", "idle"]


class _Pathless(logging.LoggerAdapter[logging.Logger]):
    """waitress's logger, less the paths: one may hold a secret."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        return str(msg).partition(" while serving ")[0], kwargs


class Parser(HTTPRequestParser):
    """waitress's parser, which answers 400 also to what Python's own parsers refuse."""

    path = ""  # waitress reads it even of a request too broken to have one.

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and the header fields; raise `ParsingError` on any fault."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # `GET http://[`, or a length of 5,000 digits.
            raise ParsingError("Request target or length is invalid") from error


class Connection(HTTPChannel):
    """A client's connection, which knows since when it keeps the server waiting.

    Created, read and closed by the loop's thread; answered by the threads of the pool.
    """

    task_class = Task
    parser_class = Parser
    logger = _Pathless(HTTPChannel.logger, {})

    def __init__(self, server: Any, *args: Any, **kwargs: Any) -> None:
        self._clock: Callable[[], float] = server.clock
        self._limits: Limits = server.limits
        self._free_since = self._clock()  # When it was opened, or a request was last answered.
        self._proven = False  # Whether a request was ever answered.
        self._begun: Parser | None = None  # The request that `_begun_at` is about.
        self._begun_at = 0.0
        self._unread_since: float | None = None  # When the client fell behind reading.
        self._head = b""  # What goes before the next piece that is sent.
        super().__init__(server, *args, **kwargs)

    def received(self, data: bytes) -> bool:
        """Take bytes in, and note when the first ones of an unfinished request came."""
        taken: bool = super().received(data)
        if self.request is not self._begun:
            self._begun = self.request
            self._begun_at = self._clock()
        return taken

    def put_before(self, head: bytes) -> None:
        """Keep the head of an answer until its body follows, which is to be at once."""
        self._head = head

    def write_soon(self, data: Any) -> int:
        """Send a piece of an answer, with the head that waits for it."""
        if data and self._head:
            data, self._head = self._head + data, b""
        written: int = super().write_soon(data)
        return written

    def answered(self) -> None:
        """Note that a request is done, while it still counts as running.

        Any later, and the loop could see a connection that nothing runs on and that has been
        free since before the request.
        """
        self._free_since = self._clock()
        self._proven = True

    def _flush_some(self, do_close: bool = True) -> bool:  # noqa: FBT001, FBT002 - waitress's signature.
        """Send what the socket takes, and note since when it has not taken everything.

        Its one clock runs until the client has caught up, so that reading drop by drop wins
        no time.
        """
        sent: bool = super()._flush_some(do_close=do_close)
        if not self.total_outbufs_len:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = self._clock()
        return sent

    @property
    def quiet(self) -> bool:
        """Whether nothing runs for this client and nothing is left to send to it."""
        return not self.requests and not self.total_outbufs_len

    def overdue(self, now: float) -> Overdue | None:
        """Return what the client has taken too long for at *now*, if anything.

        Time in which the application works is never the client's; so a request that was begun
        behind another has its time from when that one was answered.
        """
        unread_since = self._unread_since
        if unread_since is not None and now - unread_since > self._limits.answer_seconds:
            return "answer"
        if not self.quiet:
            return None
        if self.request is not None:
            begun_at = max(self._begun_at, self._free_since)
            return "request" if now - begun_at > self._limits.request_seconds else None
        patience = self._limits.idle_seconds if self._proven else self._limits.request_seconds
        return "idle" if now - self._free_since > patience else None

    def worth(self) -> tuple[bool, bool, float]:
        """Return a key to sort by: the first ones are the least loss where some must go.

        A half-sent answer is worth most, then a client that has shown itself to be one; among
        equals, those that did something last.
        """
        return bool(self.total_outbufs_len), self._proven, self._free_since
