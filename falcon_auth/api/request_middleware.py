"""Request id, security headers, request log line and request metrics."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from falcon import HTTP_204, Request, Response

from falcon_auth.api.client_addresses import ProxyTrust
from falcon_auth.api.refusals import REFUSED
from falcon_auth.api.trace_context import parse_traceparent
from falcon_auth.observability.logs import request_client, request_fields

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
    """Counts requests. Safe to call from any thread; does not raise."""

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request and its duration; *route* is its template, None if none matched."""

    def problem(self, code: str) -> None:
        """Count an error answered."""


class RequestMiddleware:
    """The outermost middleware. Sets `request_id` and `client` in `req.context`."""

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
        """Set the request id, the client and the response's headers.

        Raises the refusal if the server itself has refused the request.
        """
        context = req.context
        context.started = time.perf_counter()
        given = req.env.get("HTTP_X_REQUEST_ID")
        context.request_id = given if given and _OWN_ID.fullmatch(given) else _new_id()
        context.client = self._trust.client_of(req)
        request_fields.set(
            _fields_of(context.request_id, context.client.ip, req.env.get("HTTP_TRACEPARENT"))
        )
        request_client.set(context.client)
        context.caller = None
        context.problem = None
        # Set first, so that a resource can have its own Content-Security-Policy.
        resp.set_headers(_HEADERS)
        resp.set_header("X-Request-ID", context.request_id)
        # Last, so that the response has its id and headers even if these raise.
        self._on_request()
        refused = req.env.get(REFUSED)
        if refused is not None:
            raise refused

    def process_response(
        self,
        req: Request,
        resp: Response,
        resource: object,  # noqa: ARG002 - Falcon's shape
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon's shape
    ) -> None:
        """Add headers that depend on the answer, count the request, and log it."""
        context = req.context
        if req.method == "OPTIONS" and resp.get_header("Allow") is not None:
            resp.set_header("Allow", ", ".join(self._methods_of(req)))
            resp.status = HTTP_204
            resp.delete_header("Content-Length")  # A 204 has none (RFC 9110, 8.6).
        if self._trust.is_https(req):
            resp.set_header("Strict-Transport-Security", HSTS)
        caller = context.caller
        route = req.uri_template  # Not the path, which may contain anything.
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
        request_fields.set({})
        request_client.set(None)


def _fields_of(request_id: str, ip: str | None, traceparent: str | None) -> dict[str, str]:
    """Return the fields that every log line of this request has."""
    fields = {"request_id": request_id}
    if ip is not None:
        fields["ip"] = ip
    if traceparent is not None and (trace_id := parse_traceparent(traceparent)) is not None:
        fields["trace_id"] = trace_id
    return fields


def _new_id() -> str:
    """Return a random request id: unlikely to repeat, and not a secret."""
    return f"{random.getrandbits(64):016x}"
