"""The response check: validates a received response against the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from falcon_auth.api.response_contract import Answer, Contract, check, service_contract


class Received(Protocol):
    """A response as `requests` and `httpx` have it."""

    request: Any
    status_code: int
    headers: Any
    content: Any


class ResponseCheck:
    """Raises `ContractBrokenError`, an `AssertionError`, for an answer the contract lacks.

    An instance is a response hook: `session.hooks["response"].append(check)` with `requests`,
    `httpx.Client(event_hooks={"response": [check]})` with `httpx`. Any other client can call
    `check_parts`.
    """

    def __init__(self, contract: Contract | None = None) -> None:
        self._contract = contract or service_contract()

    def __call__(self, response: Received, *_args: object, **_kwargs: object) -> None:
        """Check a response of `requests` or `httpx`."""
        if hasattr(response, "aread"):  # httpx calls its hooks before the body is read.
            response.read()  # type: ignore[attr-defined]
        self.check_parts(
            str(response.request.method),
            str(response.request.url),
            response.status_code,
            response.headers,
            response.content,
        )

    def check_parts(
        self, method: str, url: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Check the response to a request for *url*, which may be a path."""
        check(Answer(method.upper(), path_of(url), status, dict(headers), body), self._contract)


def path_of(url: str) -> str:
    """Return the decoded path of a URL, or of a path with a query."""
    path = url.partition("?")[0] if url.startswith("/") else urlsplit(url).path
    return unquote(path, errors="replace")
