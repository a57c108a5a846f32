"""What every request and response share: an id, headers, one log line, and HEAD."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from falcon import HTTP_204, Request, Response

from falcon_auth.api.addresses import ProxyTrust
from falcon_auth.telemetry import request_id

CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"  # A year; includeSubDomains is not this service's to decide.
_OWN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class RequestMetrics(Protocol):
    """Who counts requests. Safe to call from any thread; does not raise."""

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request and its duration; *route* is the template, None where there is none."""

    def problem(self, code: str) -> None:
        """Count an error answered."""


class Exchange:
    """Middleware around all others. `req.context` gets `request_id` and `client`."""

    def __init__(
        self,
        trust: ProxyTrust,
        methods_of: Callable[[Request], Sequence[str]],
        on_request: Callable[[], None],
        metrics: RequestMetrics,
    ) -> None:
        self._trust = trust
        self._methods_of = methods_of
        self._on_request = on_request
        self._metrics = metrics
        self._log = structlog.get_logger("falcon_auth.requests").bind()  # Not at each call.

    def process_request(self, req: Request, resp: Response) -> None:
        """Give the request its id and the response its headers; find out who sends it."""
        context = req.context
        context.started = time.perf_counter()
        given = req.env.get("HTTP_X_REQUEST_ID")
        context.request_id = given if given and _OWN_ID.fullmatch(given) else _new_id()
        request_id.set(context.request_id)
        context.client = self._trust.client_of(req)
        context.caller = None
        context.problem = None
        context.is_head = req.method == "HEAD"
        if context.is_head:  # Routed as GET, whose headers it is to have (RFC 9110, 9.3.2).
            req.method = "GET"
        # Before anything else, so that a resource can have its own Content-Security-Policy.
        resp.set_headers(_HEADERS)
        resp.set_header("X-Request-ID", context.request_id)
        self._on_request()  # Last: where it fails, the answer has its id and headers all the same.

    def process_response(
        self,
        req: Request,
        resp: Response,
        resource: object,  # noqa: ARG002 - Falcon's shape
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon's shape
    ) -> None:
        """Add the headers that depend on the answer; count, and write the log line."""
        context = req.context
        if context.is_head:
            req.method = "HEAD"  # Falcon leaves the body out.
        elif req.method == "OPTIONS" and resp.get_header("Allow") is not None:
            resp.set_header("Allow", ", ".join(self._methods_of(req)))
            resp.status = HTTP_204
            resp.delete_header("Content-Length")  # A 204 has none (RFC 9110, 8.6).
        if self._trust.is_https(req):
            resp.set_header("Strict-Transport-Security", HSTS)
        caller = context.caller
        route = req.uri_template  # Not the path: it may hold anything.
        status = resp.status_code
        seconds = time.perf_counter() - context.started
        self._metrics.request(req.method, route, status, seconds)
        if context.problem is not None:
            self._metrics.problem(context.problem)
        self._log.info(
            "request",
            method=req.method,
            route=route,
            status=status,
            code=context.problem,
            duration_ms=round(seconds * 1000, 3),
            user_id=caller.user_id if caller else None,
        )
        request_id.set(None)


def _new_id() -> str:
    """Return an id to find a request by: unlikely to come twice, and no secret."""
    return f"{random.getrandbits(64):016x}"
