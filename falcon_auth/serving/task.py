"""One request on its way through the application: waitress's task, with a quicker answer."""

from functools import lru_cache

from waitress.task import WSGITask
from waitress.utilities import build_http_date

_MAX_NAMES = 256  # Of header fields, which an application could take from anywhere.
_SERVERS_OWN = {"Date", "Server", "Via", "Connection"}


class Task(WSGITask):
    """Answers one request, in a thread of the pool."""

    _body_follows = False  # Whether the head is about to be followed by some of the body.

    def service(self) -> None:
        """Answer the request, and tell the connection before it forgets the request."""
        try:
            super().service()
        finally:
            self.channel.answered()

    def write(self, data: bytes) -> None:
        """Send the head with the first piece of the body: in one packet, by one system call."""
        self._body_follows = bool(data) and self.has_body and self.content_length != 0
        super().write(data)

    def build_response_header(self) -> bytes:
        """Return the answer's head, or leave it with the connection for what follows at once.

        While the server drains, the answer closes the connection. The application cannot ask for
        that: PEP 3333 bars it from sending `Connection`. A request that waits behind this one on
        the same connection is answered first.
        """
        if self.channel.server.draining and len(self.channel.requests) == 1:
            self.request.headers["CONNECTION"] = "close"  # As if the client had asked for it.
        head: bytes = self._usual_head() or super().build_response_header()
        if not self._body_follows:
            return head
        self.channel.put_before(head)
        return b""

    def _usual_head(self) -> bytes | None:
        """Return the head of an answer as nearly all are; None for what waitress has rules for.

        Those cost a tenth of a whole request, which they look at in several rounds, and close the
        connection after a 204, which ends at its head (RFC 9112, 6.3).
        """
        names = [_canonical(name) for name, _ in self.response_headers]
        if (
            self.version != "1.1"
            or self.close_on_finish
            or self.request.headers.get("CONNECTION", "").lower() == "close"
            or ("Content-Length" in names) != self.has_body
            or not _SERVERS_OWN.isdisjoint(names)
        ):
            return None
        fields = [
            f"{name}: {value}\r\n"
            for name, (_, value) in zip(names, self.response_headers, strict=True)
        ]
        date = _date(int(self.start_time))
        head = f"HTTP/1.1 {self.status}\r\n{''.join(fields)}Date: {date}\r\n\r\n"
        return head.encode("latin-1")


@lru_cache(_MAX_NAMES)
def _canonical(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))


@lru_cache(1)
def _date(second: int) -> str:
    date: str = build_http_date(second)
    return date
