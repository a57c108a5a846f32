"""Errors as problem details (RFC 9457): one renderer for every refusal and fault."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import falcon
import structlog
from falcon import Request, Response

from falcon_auth.api.app import AuthApp
from falcon_auth.errors import (
    CATALOGUE,
    AbandonedError,
    AuthError,
    CrossSiteError,
    InsufficientScopeError,
    InternalError,
    InvalidBodyError,
    InvalidClientError,
    InvalidTokenError,
    MethodNotAllowedError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)
from falcon_auth.observability.events import Events
from falcon_auth.observability.logs import redact
from falcon_auth.strict_json import dump_json

REALM = "falcon-auth"
MEDIA_PROBLEM = "application/problem+json"
TYPE_PREFIX = "urn:falcon-auth:problem:"
UNDECLARED = "other"  # Instead of a scope that nobody declared, in metrics.

log = structlog.get_logger("falcon_auth.problems")


def handle_errors(app: AuthApp, events: Events) -> None:
    """Make *app* answer every exception with a problem document, regardless of Accept.

    The reason why a token was refused is logged to *events* and not disclosed to the client; the
    scopes for want of which a request was refused are counted.
    """

    def on_refusal(req: Request, resp: Response, error: AuthError, _params: object) -> None:
        of_token = isinstance(error, UnauthorizedError) and error.bearer_error is not None
        if of_token or isinstance(error, InvalidClientError | CrossSiteError):
            seconds = getattr(error, "seconds", None)
            events.record("token_rejected", reason=_reason(error), seconds=seconds)
        if isinstance(error, InsufficientScopeError):
            for scope in error.scopes:
                # A proxy may ask for any scope: clients must not invent label values.
                declared = scope in app.scopes
                events.record("scope_refused", scope=scope if declared else UNDECLARED)
        render(req, resp, error)

    def on_falcon_error(
        req: Request, resp: Response, error: falcon.HTTPError, _params: object
    ) -> None:
        _render_falcon(app, req, resp, error)

    def on_abandoned(req: Request, resp: Response, _error: AbandonedError, _params: object) -> None:
        render(req, resp, OverloadedError())  # The client has disconnected and will not read this.

    def on_fault(req: Request, resp: Response, error: Exception, _params: object) -> None:
        trace = "".join(traceback.format_exception(error))
        log.error("internal_error", exception=redact(trace, _secrets_of(req)))
        render(req, resp, InternalError())

    app.add_error_handler(Exception, on_fault)
    app.add_error_handler(falcon.HTTPError, on_falcon_error)
    app.add_error_handler(AbandonedError, on_abandoned)
    app.add_error_handler(AuthError, on_refusal)


def render(req: Request, resp: Response, error: AuthError) -> None:
    """Render *error* into the response: status, headers, problem document."""
    code, title = error.code, error.title
    body: dict[str, Any] = dict(error.members)
    if isinstance(error, InvalidBodyError):
        if len(error.violations) == 1:  # A single violation's code becomes the document's code.
            code = error.violations[0].code
            title = CATALOGUE[code].title
        body["errors"] = [
            {"pointer": each.pointer, "code": each.code, "detail": each.detail}
            for each in error.violations
        ]
    if isinstance(error, UnauthorizedError | InsufficientScopeError):
        resp.set_header("WWW-Authenticate", _challenge(error))
    if isinstance(error, TryAgainError):
        resp.set_header("Retry-After", str(error.retry_after))
    if isinstance(error, MethodNotAllowedError):
        resp.set_header("Allow", ", ".join(error.allowed))
    _write(req, resp, status=error.status, code=code, title=title, detail=error.detail, **body)


def problem_of(kind: type[AuthError], request_id: str) -> dict[str, Any]:
    """Return the problem document of one entry of the catalogue, with its default detail."""
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


def _reason(error: AuthError) -> str:
    """Return why a token was refused: the error's own reason, or `expired`, `revoked`, `reused`."""
    if isinstance(error, InvalidTokenError | InvalidClientError | CrossSiteError):
        return error.reason
    return error.code.removeprefix("TOKEN_").lower()


def _challenge(error: UnauthorizedError | InsufficientScopeError) -> str:
    """Return the WWW-Authenticate header (RFC 6750, 3)."""
    parameters = {"realm": REALM, **error.challenge_parameters}
    bearer = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())
    if isinstance(error, InvalidClientError):
        return f'{bearer}, Basic realm="{REALM}", charset="UTF-8"'
    return bearer


_OF_STATUS: dict[int, type[AuthError]] = {
    404: NotFoundError,
    413: PayloadTooLargeError,
    415: UnsupportedMediaTypeError,
}


def _render_falcon(app: AuthApp, req: Request, resp: Response, error: falcon.HTTPError) -> None:
    """Render an HTTP error of Falcon, or of an application's own resource."""
    status = error.status_code
    unknown_method = status == 400 and not app.answers(req)  # noqa: PLR2004 - Falcon's status for it
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
    """Return values of the request that an exception's text or repr might contain."""
    body = getattr(req.context, "body", None)
    if body is None:
        with suppress(Exception):  # A body that cannot be read contributes no secrets.
            body = req.get_media()  # Falcon keeps the body that an application's resource has read.
    sent = [(req.get_header("Authorization") or "").rpartition(" ")[2], *_texts_in(body)]
    for name in req.cookies:
        sent += req.get_cookie_values(name) or ()
    return [*sent, *(repr(text)[1:-1] for text in sent)]


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(inner)
