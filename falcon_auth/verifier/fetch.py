"""Fetches a key set over HTTP, bounded in time and size."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import SHUT_RDWR, socket
from threading import Lock, Thread
from typing import IO, Any, Protocol, cast
from urllib.parse import urlsplit

from falcon_auth.networks import is_loopback

TIMEOUT_SECONDS = 3.0  # For the whole fetch: name, connection, handshake, headers and body.
MAX_BYTES = 256 * 1024  # A hundred RSA keys.
CHUNK_BYTES = 16 * 1024
NOT_MODIFIED = 304
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.ASCII | re.IGNORECASE)


class FetchError(Exception):
    """The key set could not be fetched; the message is a short reason."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response; `body` is None if the cached copy is current (304). `max_age` is in seconds."""

    body: bytes | None
    etag: str | None
    max_age: int | None


class Fetch(Protocol):
    """Fetches a published key set. Safe to call from any thread."""

    def __call__(self, etag: str | None) -> Fetched:
        """Fetch the key set, unless its ETag is unchanged. Raises `FetchError`, within seconds."""


class HttpFetch:
    """Implements `Fetch` for a URL: https, or http on the loopback interface.

    A fetch runs in a thread of its own, which is abandoned after the time-out: a socket's time-out
    only bounds a single read, not name resolution or a server that sends byte by byte.
    """

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Prepare without fetching. Raises `ValueError` for any other URL."""
        parts = urlsplit(url)
        local = is_loopback(parts.hostname)
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise ValueError("the address of the keys must be https, except on 127.0.0.1")
        self._url = url
        self._timeout = timeout_seconds
        # None: the proxies of the environment.
        self._proxies: dict[str, str] | None = {} if local else None

    def __call__(self, etag: str | None) -> Fetched:
        """Fetch the key set. Raises `FetchError`, at the latest after the time-out."""
        attempt = _Attempt(self._url, etag, self._timeout, self._proxies)
        Thread(target=attempt.run, name="falcon-auth-key-fetch", daemon=True).start()
        try:
            return attempt.outcome.result(self._timeout)
        except TimeoutError:
            attempt.give_up()
            raise FetchError("too slow") from None


class _Attempt:
    """One fetch. After `run`, `outcome` is its result or a `FetchError`."""

    def __init__(
        self, url: str, etag: str | None, timeout: float, proxies: dict[str, str] | None
    ) -> None:
        self.outcome: Future[Fetched] = Future()
        self._etag = etag
        self._timeout = timeout
        headers = {"Accept": "application/jwk-set+json, application/json"}
        if etag is not None:
            headers["If-None-Match"] = etag
        self._request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
        self._opener = urllib.request.build_opener(
            _NoRedirects, urllib.request.ProxyHandler(proxies), _Http(self), _Https(self)
        )
        self._lock = Lock()
        self._sockets: list[socket] = []
        self._given_up = False

    def run(self) -> None:
        """Fetch, and set the outcome."""
        try:
            self.outcome.set_result(self._fetch())
        except Exception as error:  # noqa: BLE001 - raised again, in the thread that waits for it
            self.outcome.set_exception(error)

    def give_up(self) -> None:
        """Abort the fetch by shutting down its sockets."""
        with self._lock:
            self._given_up = True
            for each in self._sockets:
                with suppress(OSError):  # It may have just ended.
                    each.shutdown(SHUT_RDWR)

    def connected(self, connection: socket) -> None:
        """Register a connection's socket. Raises `FetchError` if the fetch was aborted."""
        with self._lock:
            if self._given_up:
                connection.close()
                raise FetchError("too slow")
            self._sockets.append(connection)

    def _fetch(self) -> Fetched:
        try:
            with self._opener.open(self._request, timeout=self._timeout) as answer:
                return _read(cast("HTTPResponse", answer))
        except urllib.error.HTTPError as error:
            with error:
                if error.code == NOT_MODIFIED:
                    return Fetched(None, self._etag, _max_age(error.headers))
            raise FetchError(f"status {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise FetchError(type(reason).__name__) from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: keys come from the configured address only."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Return None, which makes urllib raise the redirect as an error."""


class _Http(urllib.request.HTTPHandler):
    """Registers connections with the attempt, so that it can be aborted."""

    def __init__(self, attempt: _Attempt) -> None:
        super().__init__()
        self._connection = _known_to(attempt, HTTPConnection)

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Send a request (urllib's shape)."""
        return self.do_open(self._connection, req)


class _Https(urllib.request.HTTPSHandler):
    """The same over TLS, with the system's trusted certificates."""

    def __init__(self, attempt: _Attempt) -> None:
        super().__init__()
        self._connection = _known_to(attempt, HTTPSConnection)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Send a request (urllib's shape)."""
        return self.do_open(self._connection, req)


def _known_to(attempt: _Attempt, kind: type[HTTPConnection]) -> type[HTTPConnection]:
    class Connection(kind):  # type: ignore[valid-type, misc]
        def connect(self) -> None:
            super().connect()
            attempt.connected(self.sock)

    return Connection


def _read(answer: HTTPResponse) -> Fetched:
    body = b""
    while chunk := answer.read1(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BYTES:
            raise FetchError("too large")
    return Fetched(body, answer.headers.get("ETag"), _max_age(answer.headers))


def _max_age(headers: Message) -> int | None:
    """Return how long a response may be cached, less its age (RFC 9111), in seconds."""
    found = _MAX_AGE.search(headers.get("Cache-Control", ""))
    if found is None:
        return None
    age = headers.get("Age", "")
    return max(0, int(found[1]) - (int(age) if age.isascii() and age.isdigit() else 0))
