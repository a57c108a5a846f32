"""Fetches a key set over HTTP, bounded in time and size."""

from __future__ import annotations

import ipaddress
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import IO, Any, Protocol, cast
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 3.0  # For the whole fetch.
MAX_BYTES = 256 * 1024  # A hundred RSA keys.
CHUNK_BYTES = 16 * 1024
NOT_MODIFIED = 304
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.ASCII | re.IGNORECASE)


class FetchError(Exception):
    """The key set could not be fetched; the message says why in a few words."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer; `body` is None where the copy is still good (304). `max_age` is in seconds."""

    body: bytes | None
    etag: str | None
    max_age: int | None


class Fetch(Protocol):
    """Gets the key set from where it is published. Safe to call from any thread."""

    def __call__(self, etag: str | None) -> Fetched:
        """Fetch it, unless it still has that ETag. Raises `FetchError`, within seconds."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from the address that was configured, from no other."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Refuse."""


class HttpFetch:
    """Implements `Fetch` for an address: https, or http on the loopback interface."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is fetched yet. Raises `ValueError` for any other address."""
        parts = urlsplit(url)
        local = _is_loopback(parts.hostname)
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise ValueError("the address of the keys must be https, but for 127.0.0.1")
        self._url = url
        self._timeout = timeout_seconds
        self._monotonic = monotonic
        proxies = urllib.request.ProxyHandler({} if local else None)  # None: the environment's.
        self._opener = urllib.request.build_opener(_NoRedirects, proxies)

    def __call__(self, etag: str | None) -> Fetched:
        """See `Fetch`."""
        headers = {"Accept": "application/jwk-set+json, application/json"}
        if etag is not None:
            headers["If-None-Match"] = etag
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310 - checked above
        deadline = self._monotonic() + self._timeout
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return self._read(cast("HTTPResponse", answer), deadline)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == NOT_MODIFIED:
                    return Fetched(None, etag, _max_age(error.headers))
            raise FetchError(f"status {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise FetchError(type(reason).__name__) from None

    def _read(self, answer: HTTPResponse, deadline: float) -> Fetched:
        """Read the body piece by piece: a socket's time-out alone stops nobody who drips."""
        body = b""
        while chunk := answer.read1(CHUNK_BYTES):
            body += chunk
            if len(body) > MAX_BYTES:
                raise FetchError("too large")
            if self._monotonic() > deadline:
                raise FetchError("too slow")
        return Fetched(body, answer.headers.get("ETag"), _max_age(answer.headers))


def _max_age(headers: Message) -> int | None:
    """Return for how long an answer is good, less the time that it lay in caches (RFC 9111)."""
    found = _MAX_AGE.search(headers.get("Cache-Control", ""))
    if found is None:
        return None
    age = headers.get("Age", "")
    return max(0, int(found[1]) - (int(age) if age.isascii() and age.isdigit() else 0))


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
