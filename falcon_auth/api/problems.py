"""Errors as problem details (RFC 9457): one renderer for every refusal and fault."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import falcon
import structlog
from falcon import Request, Response

from falcon_auth.api.app import AuthApp
from falcon_auth.errors import (
    AbandonedError,
    AuthError,
    ExpiredTokenError,
    InternalError,
    InvalidBodyError,
    InvalidTokenError,
    MethodNotAllowedError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
    catalogue,
)
from falcon_auth.strict_json import dump_json
from falcon_auth.telemetry import redact

REALM = "falcon-auth"
MEDIA_PROBLEM = "application/problem+json"
TYPE_PREFIX = "urn:falcon-auth:problem:"

log = structlog.get_logger("falcon_auth.problems")


def handle_errors(app: AuthApp, on_rejected_token: Callable[[str], None]) -> None:
    """Have *app* answer every exception with a problem, whatever the Accept header says.

    *on_rejected_token* is told the reason, a fixed word, where a token was refused.
    """

    def on_refusal(req: Request, resp: Response, error: AuthError, _params: object) -> None:
        if isinstance(error, UnauthorizedError) and error.bearer_error is not None:
            on_rejected_token(_reason(error))
        render(req, resp, error)

    def on_falcon_error(
        req: Request, resp: Response, error: falcon.HTTPError, _params: object
    ) -> None:
        _render_falcon(app, req, resp, error)

    def on_abandoned(req: Request, resp: Response, _error: AbandonedError, _params: object) -> None:
        render(req, resp, OverloadedError())  # The client has hung up: nobody reads this.

    def on_fault(req: Request, resp: Response, error: Exception, _params: object) -> None:
        trace = "".join(traceback.format_exception(error))
        log.error("internal_error", exception=redact(trace, _secrets_of(req)))
        render(req, resp, InternalError())

    app.add_error_handler(Exception, on_fault)
    app.add_error_handler(falcon.HTTPError, on_falcon_error)
    app.add_error_handler(AbandonedError, on_abandoned)
    app.add_error_handler(AuthError, on_refusal)


def render(req: Request, resp: Response, error: AuthError) -> None:
    """Write *error* into the response."""
    code, title = error.code, error.title
    body: dict[str, Any] = {}
    if isinstance(error, InvalidBodyError):
        if len(error.breaches) == 1:  # The one breach's own code stands for the whole.
            code = error.breaches[0].code
            title = catalogue()[code].title
        body["errors"] = [
            {"pointer": each.pointer, "code": each.code, "detail": each.detail}
            for each in error.breaches
        ]
    if isinstance(error, UnauthorizedError):
        resp.set_header("WWW-Authenticate", _challenge(error))
    if isinstance(error, InvalidTokenError):
        log.warning("token_rejected", reason=error.reason, seconds=error.seconds)
    if isinstance(error, ExpiredTokenError):
        log.info("token_rejected", reason="expired", seconds=error.seconds)
    if isinstance(error, TryAgainError):
        resp.set_header("Retry-After", str(error.retry_after))
    if isinstance(error, MethodNotAllowedError):
        resp.set_header("Allow", ", ".join(error.allowed))
    _write(req, resp, status=error.status, code=code, title=title, detail=error.detail, **body)


def problem_of(kind: type[AuthError], request_id: str) -> dict[str, Any]:
    """Return the problem document of one entry of the catalogue, in its default words."""
    return _problem(kind.status, kind.code, kind.title, kind.default_detail, request_id)


def _problem(
    status: int, code: str, title: str, detail: str, request_id: str, **more: object
) -> dict[str, Any]:
    return {
        "type": TYPE_PREFIX + code,
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        **more,
    }


def _write(
    req: Request, resp: Response, *, status: int, code: str, title: str, detail: str, **more: object
) -> None:
    resp.status = falcon.code_to_http_status(status)
    resp.stream = None
    resp.content_type = MEDIA_PROBLEM
    req.context.problem = code  # For the request's log line, and for the metrics.
    resp.data = dump_json(_problem(status, code, title, detail, req.context.request_id, **more))


def _reason(error: UnauthorizedError) -> str:
    """Return why a token was refused: its own word, or `expired`, `revoked`, `reused`."""
    if isinstance(error, InvalidTokenError):
        return error.reason
    return error.code.removeprefix("TOKEN_").lower()


def _challenge(error: UnauthorizedError) -> str:
    """Return the WWW-Authenticate header (RFC 6750, 3)."""
    challenge = f'Bearer realm="{REALM}"'
    if error.bearer_error is None:
        return challenge
    return f'{challenge}, error="{error.bearer_error}", error_description="{error.title}"'


_OF_STATUS: dict[int, type[AuthError]] = {
    404: NotFoundError,
    413: PayloadTooLargeError,
    415: UnsupportedMediaTypeError,
}


def _render_falcon(app: AuthApp, req: Request, resp: Response, error: falcon.HTTPError) -> None:
    """Write what Falcon, or an application's own resource, raised."""
    status = error.status_code
    unknown_method = status == 400 and not app.answers(req)  # noqa: PLR2004 - Falcon's for it
    if status == 405 or unknown_method:  # noqa: PLR2004
        render(req, resp, MethodNotAllowedError(app.allowed_methods(req)))
    elif status in _OF_STATUS and error.description is None:
        render(req, resp, _OF_STATUS[status]())
    elif isinstance(error, falcon.HTTPUnsupportedMediaType):
        render(req, resp, UnsupportedMediaTypeError())
    else:
        resp.set_headers(error.headers or {})
        if status == UnauthorizedError.status and not resp.get_header("WWW-Authenticate"):
            resp.set_header("WWW-Authenticate", f'Bearer realm="{REALM}"')
        phrase = falcon.code_to_http_status(status)[4:]
        _write(
            req,
            resp,
            status=status,
            code=phrase.upper().replace(" ", "_").replace("-", "_").replace("'", ""),
            title=error.title or phrase,
            detail=error.description or phrase,
        )


def _secrets_of(req: Request) -> list[str]:
    """Return what a client sent that an exception's text might quote, or show as a repr."""
    body = getattr(req.context, "body", None)
    if body is None:
        with suppress(Exception):  # Whatever is wrong with a body has nothing to hide any more.
            body = req.get_media()  # What an application's resource has read; Falcon keeps it.
    sent = [(req.get_header("Authorization") or "").rpartition(" ")[2], *_texts_in(body)]
    return [*sent, *(repr(text)[1:-1] for text in sent)]


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(inner)
