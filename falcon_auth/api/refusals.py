"""Requests that the server itself refuses, rendered by the application like any other error.

The server hands over what it could read of the request. It goes through the application's
middleware, so that the answer has its id and headers, is counted, and has its line in the log; it
reaches no route.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from falcon_auth.errors import (
    AuthError,
    HeadersTooLargeError,
    InternalError,
    MalformedRequestError,
    PayloadTooLargeError,
    UnimplementedError,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]

# The environ key for the reason of a refusal. No header field of a client can get this name.
REFUSED = "falcon_auth.refused"

_UNREAD_TOO_LARGE = "A body over 64 KiB is not read; 16 KiB is the most that is taken."


def refusals_of(application: WSGIApplication) -> Callable[[int, WSGIEnvironment], Any]:
    """Return the renderer of refusals for the server that *application* runs on.

    It is a `Renderer` of `falcon_auth.server.refusals`. Raises what the application raises.
    """

    def word(status: int, environ: WSGIEnvironment) -> tuple[str, Headers, bytes]:
        begun: list[tuple[str, Headers]] = []

        def start_response(phrase: str, headers: Headers, _exc_info: Any = None) -> Any:
            begun.append((phrase, headers))

        body = b"".join(application({**environ, REFUSED: _error_of(status)}, start_response))
        return *begun[-1], body

    return word


def _error_of(status: int) -> AuthError:
    """Return the error of our catalogue for a status that the server refuses with."""
    if status == PayloadTooLargeError.status:
        return PayloadTooLargeError(_UNREAD_TOO_LARGE)
    kinds: list[type[AuthError]] = [MalformedRequestError, HeadersTooLargeError, UnimplementedError]
    return next((kind() for kind in kinds if kind.status == status), InternalError())
