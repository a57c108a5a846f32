"""CORS (Fetch standard, 3.2): only pages of the listed origins may read responses.

Origins are compared as a whole, so neither `null` nor a look-alike passes. A listed origin may have
the browser send the cookie of `refresh_cookie`; where `*` is listed, nobody may. What a page of
another origin sends is answered without leave to read it; it cannot send a body of JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from falcon import HTTP_204, Request, Response

from falcon_auth.api.app import AnyMethod

# The last three carry a trace (W3C Trace Context, W3C Baggage): instrumented pages add them.
ALLOWED_HEADERS = "Authorization, Content-Type, X-Request-ID, traceparent, tracestate, baggage"
EXPOSED_HEADERS = "Retry-After, WWW-Authenticate, X-Request-ID"
PREFLIGHT_SECONDS = "600"  # So long a browser remembers; what an origin loses, it loses by then.


class Cors:
    """Middleware that answers preflights, and allows listed origins to read responses.

    It precedes the guard, because browsers send no token with a preflight.
    """

    def __init__(
        self, origins: Sequence[str], methods_of: Callable[[Request], Sequence[str]]
    ) -> None:
        self._origins = frozenset(origins)
        self._any = "*" in self._origins
        self._methods_of = methods_of

    def process_resource(
        self,
        req: Request,
        resp: Response,
        resource: object,
        params: dict[str, Any],  # noqa: ARG002 - Falcon's shape
    ) -> None:
        """Answer the preflight of a listed origin before it reaches the guard or the resource.

        On resources that guard every method, a preflight is guarded as well, because it may concern
        another service.
        """
        if (
            req.method == "OPTIONS"
            and not isinstance(resource, AnyMethod)
            and req.get_header("Access-Control-Request-Method")
            and self._is_listed(req)
        ):
            resp.status = HTTP_204
            resp.set_header("Access-Control-Allow-Methods", ", ".join(self._methods_of(req)))
            resp.set_header("Access-Control-Allow-Headers", ALLOWED_HEADERS)
            resp.set_header("Access-Control-Max-Age", PREFLIGHT_SECONDS)
            resp.complete = True

    def process_response(
        self,
        req: Request,
        resp: Response,
        resource: object,  # noqa: ARG002 - Falcon's shape
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon's shape
    ) -> None:
        """Add the CORS headers for a listed origin, to errors as well."""
        if not self._origins:
            return
        resp.append_header("Vary", "Origin")  # On every response, for caches (Fetch, 3.2.5).
        if self._is_listed(req):
            allowed = "*" if self._any else req.get_header("Origin", required=True)
            resp.set_header("Access-Control-Allow-Origin", allowed)
            resp.set_header("Access-Control-Expose-Headers", EXPOSED_HEADERS)
            if not self._any:
                resp.set_header("Access-Control-Allow-Credentials", "true")

    def _is_listed(self, req: Request) -> bool:
        origin = req.env.get("HTTP_ORIGIN")
        return origin is not None and (self._any or origin in self._origins)
