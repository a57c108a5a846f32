"""VALIDATE_RESPONSES: an application that validates its own responses against the contract."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import falcon
import structlog

from falcon_auth.api.app import AuthApp
from falcon_auth.api.problems import MEDIA_PROBLEM, problem_of
from falcon_auth.api.request_middleware import CONTENT_SECURITY_POLICY
from falcon_auth.api.response_contract import Answer, service_contract
from falcon_auth.errors import InternalError
from falcon_auth.strict_json import dump_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Headers = list[tuple[str, str]]

# The header fields that a withheld response keeps: the request's id, CORS and security headers.
_KEPT = {
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "referrer-policy",
    "strict-transport-security",
    "vary",
    "x-content-type-options",
    "x-request-id",
}

log = structlog.get_logger("falcon_auth.contract")


class ValidatingApp(AuthApp):
    """Replaces a response that breaks the contract by a 500, and logs the violations.

    It buffers each response as a whole, so it is for development and tests. Routes that an
    application added are not checked.
    """

    def __call__(self, env: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = env["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")  # PEP 3333.
        if self.has_own_route(path):
            return super().__call__(env, start_response)
        caught: list[tuple[str, Headers]] = []

        def catch(status: str, headers: Headers, _exc_info: Any = None) -> Any:
            caught.append((status, headers))

        body = b"".join(super().__call__(env, catch))
        status, headers = caught[-1]
        answer = Answer(
            method=env["REQUEST_METHOD"],
            path=path,
            status=int(status[:3]),
            headers=dict(headers),
            body=body,
        )
        violations = service_contract().violations(answer)
        if violations:
            given = {name.lower(): value for name, value in headers}
            request_id = given.get("x-request-id", "unknown")
            # The request's own line has the route and the same id; a path may contain anything.
            log.error("response_breaks_contract", violations=violations, request_id=request_id)
            status, headers, body = _withhold(headers, request_id)
        start_response(status, headers)
        return [b"" if answer.method == "HEAD" else body]


def _withhold(headers: Headers, request_id: str) -> tuple[str, Headers, bytes]:
    body = dump_json(problem_of(InternalError, request_id))
    kept = [(name, value) for name, value in headers if name.lower() in _KEPT]
    return (
        falcon.code_to_http_status(HTTPStatus.INTERNAL_SERVER_ERROR),
        [
            *kept,
            ("Content-Type", MEDIA_PROBLEM),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ],
        body,
    )
