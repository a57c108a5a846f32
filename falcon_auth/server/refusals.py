"""Requests that the server itself refuses, before the application sees them.

The reasons are invalid framing, header fields or a body that are too large, a transfer coding that
is not implemented, and an application that raised before it responded.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]  # With Content-Length; without Connection, which is the server's.
Answer = tuple[str, Headers, bytes]  # Status code and phrase, header fields, body.

# Renders the refusal with the given status: 400, 413, 431, 500 or 501. The environ contains what
# could be parsed of the request, without a body; its method is UNKNOWN if none was read. Called by
# several threads of the pool at once.
Renderer = Callable[[int, "WSGIEnvironment"], Answer]


def plain_refusal(status: int, _environ: WSGIEnvironment) -> Answer:
    """Render a refusal as one line of plain text."""
    phrase = f"{status} {HTTPStatus(status).phrase}"
    body = f"{phrase}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    return phrase, headers, body
