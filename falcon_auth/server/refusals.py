"""Requests that the server refuses by itself, before the application sees them.

Broken framing, too many header bytes, too large a body, a transfer coding that is not
implemented, and an application that raised before it answered.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]  # With Content-Length; without Connection, which is the server's.
Answer = tuple[str, Headers, bytes]  # The status line's code and phrase, and what follows it.

# Words the refusal with the given status: 400, 413, 431, 500 or 501. The environ is as far as the
# request could be parsed, with an empty body; its method is UNKNOWN where none was read. Called
# by the threads of the pool, several at once.
Renderer = Callable[[int, "WSGIEnvironment"], Answer]


def plain_refusal(status: int, _environ: WSGIEnvironment) -> Answer:
    """Render a refusal as one line of plain text."""
    phrase = f"{status} {HTTPStatus(status).phrase}"
    body = f"{phrase}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    return phrase, headers, body
