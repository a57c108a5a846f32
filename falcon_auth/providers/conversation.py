"""HTTP with a provider: a conversation is bounded in time, size and number.

The requests of a conversation share one deadline, whatever a provider drips. They run on an event
loop in the thread that asks, since only there can a wait be cut off wherever it stands: name,
connection, handshake, headers or body.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.errors import JoseError

from falcon_auth.breaker import Breaker, OutageError, UnavailableError
from falcon_auth.errors import ProviderRefusedError, ProviderUnavailableError
from falcon_auth.strict_json import parse_json

CONVERSATION_SECONDS = 6.0  # For all requests of one log-in; a provider needs less than one.
MAX_BYTES = 256 * 1024  # Of one answer: a hundred RSA keys.
# Threads that may wait for providers in this process, and for one of them: half of the request
# threads that are spared for what needs no hash (SPARE_REQUEST_THREADS).
SEATS, SEATS_OF_ONE = 8, 6
_BUSY = (429, 500)  # Too many requests; and every status from 500 on.

Answer = TypeVar("Answer")
Talk = Callable[[AsyncOAuth2Client], Awaitable[Answer]]

# They would log the URLs of requests, and the code verifier.
for _name in ("httpx2", "httpcore2", "authlib"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Seats:
    """How many threads may do something at once; who finds none free is refused at once."""

    def __init__(self, amount: int) -> None:
        self._free = threading.BoundedSemaphore(amount)

    @classmethod
    def of_all(cls) -> Self:
        """Return the seats of all providers of a process."""
        return cls(SEATS)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a seat for the block. Raises `ProviderUnavailableError` where none is free."""
        if not self._free.acquire(blocking=False):
            raise ProviderUnavailableError
        try:
            yield
        finally:
            self._free.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What this service is to a provider: its id, and what proves it."""

    client_id: str
    client_secret: Callable[[], str]
    method: str  # Of RFC 6749, 2.3.1: `client_secret_post` or `client_secret_basic`.


class Line:
    """The line to one provider. Safe to call from any thread.

    *seats* are those of all providers together; *trust* is what certificates are checked with.
    """

    def __init__(
        self,
        credentials: Credentials,
        breaker: Breaker,
        seats: Seats,
        trust: ssl.SSLContext,
        *,
        seconds: float = CONVERSATION_SECONDS,
    ) -> None:
        self.breaker = breaker
        self._credentials = credentials
        self._seats = seats
        self._own_seats = Seats(SEATS_OF_ONE)
        self._trust = trust
        self._seconds = seconds

    def hold(self, talk: Talk[Answer]) -> Answer:
        """Return what *talk* makes of a conversation, which is over when it returns.

        Raises `ProviderUnavailableError` where the provider is away or slow, or too many threads
        talk to providers, and `ProviderRefusedError` where it answers what it must not.
        """
        with self._own_seats.taken(), self._seats.taken():
            try:
                with self.breaker.attempt():
                    return _run(self._talk(talk))
            except UnavailableError as error:
                raise ProviderUnavailableError(retry_after=error.retry_after) from None

    async def _talk(self, talk: Talk[Answer]) -> Answer:
        """Translate what a conversation raises; five families of exceptions end here."""
        try:
            async with asyncio.timeout(self._seconds), self._client() as client:
                return await talk(client)
        except TimeoutError:
            raise OutageError("too slow") from None
        except httpx2.TransportError as error:
            raise OutageError(type(error).__name__) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, AuthlibBaseError, JoseError) as error:
            raise ProviderRefusedError(type(error).__name__) from None
        except (ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
            # What libraries make of an answer of another shape; their words may quote it.
            raise ProviderRefusedError(type(error).__name__) from None

    def _client(self) -> AsyncOAuth2Client:
        """Return a client for one conversation: it would send its token to any host."""
        credentials = self._credentials
        return AsyncOAuth2Client(
            client_id=credentials.client_id,
            client_secret=credentials.client_secret(),
            token_endpoint_auth_method=credentials.method,
            transport=_Bounded(httpx2.AsyncHTTPTransport(verify=self._trust, trust_env=False)),
            timeout=self._seconds,
            trust_env=False,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "falcon-auth"},
        )


async def read_json(client: AsyncOAuth2Client, url: str, token: str | None = None) -> Any:
    """Return what is at *url*, asked for with an access token where there is one.

    Raises `ProviderRefusedError`, and what `Line.hold` translates.
    """
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    response = await client.request("GET", url, headers=headers, withhold_token=True)
    if response.status_code != httpx2.codes.OK:
        raise ProviderRefusedError(f"status_{response.status_code}")
    return parse_json(response.content)


def _run(talk: Coroutine[Any, Any, Answer]) -> Answer:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(talk)
    finally:
        loop.close()  # Unlike `asyncio.run`, without waiting for a name server that is asked.


class _Bounded(httpx2.AsyncBaseTransport):
    """Refuses answers that are too large or compressed; a provider that is overloaded is away."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            raise OutageError(type(error).__name__) from None
        busy, fault = _BUSY
        if response.status_code == busy or response.status_code >= fault:
            raise OutageError(f"status {response.status_code}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ProviderRefusedError("compressed")  # 97 KB of gzip can be 100 MB.
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - of a transport
        response.stream = _BoundedStream(response.stream)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    """A body of `MAX_BYTES` at most."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        async for chunk in self._inner:
            length += len(chunk)
            if length > MAX_BYTES:
                raise ProviderRefusedError("too_large")
            yield chunk

    async def aclose(self) -> None:
        """Close the connection, or give it back."""
        await self._inner.aclose()
