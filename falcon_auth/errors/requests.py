"""Refusals of the request itself: its form, its size, its body, its sender, its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from falcon_auth.errors.base import AuthError, TryAgainError

MAX_VIOLATIONS = 50  # Reported per request, so that a small body does not cause a large response.


class MalformedJsonError(AuthError):
    """The body is empty or not one JSON text of RFC 8259."""

    status = 400
    code = "MALFORMED_JSON"
    title = "The body is not valid JSON"
    default_detail = "Send one JSON object, encoded as UTF-8, without duplicate names."


class MalformedRequestError(AuthError):
    """The server could not read the request: a broken request line, header field or framing."""

    status = 400
    code = "MALFORMED_REQUEST"
    title = "The request is not valid HTTP"
    default_detail = "The request line, a header field or the framing of the body is broken."


class HeadersTooLargeError(AuthError):
    """The header fields are larger than any request needs."""

    status = 431
    code = "HEADERS_TOO_LARGE"
    title = "The header fields are too large"
    default_detail = "Request line and header fields may have 16 KiB together at most."


class UnimplementedError(AuthError):
    """The request asks for a transfer coding other than chunked (RFC 9112, 6.1)."""

    status = 501
    code = "NOT_IMPLEMENTED"
    title = "The transfer coding is not implemented"
    default_detail = "Send the body with Content-Length, or with Transfer-Encoding: chunked."


class NotFoundError(AuthError):
    """The path does not exist, or the caller must not learn that the resource does."""

    status = 404
    code = "NOT_FOUND"
    title = "Not found"
    default_detail = "There is nothing at this address."


class MethodNotAllowedError(AuthError):
    """The path exists, but does not support the method; `allowed` is for the Allow header."""

    status = 405
    code = "METHOD_NOT_ALLOWED"
    title = "Method not allowed"
    default_detail = "This address does not answer that method; Allow lists those it does."

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__()
        self.allowed = tuple(allowed)


class PayloadTooLargeError(AuthError):
    """The body is larger than any body that this service needs."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"
    title = "The body is too large"
    default_detail = "A request body may have 16 KiB at most."


class UnsupportedMediaTypeError(AuthError):
    """The body's Content-Type is not JSON, or not a form on the two OAuth endpoints."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    title = "The media type of the body is not supported"
    default_detail = "Send the header Content-Type: application/json."


@dataclass(frozen=True, slots=True)
class Violation:
    """One violated rule: where, which, and a sentence about it. Never the value."""

    # JSON Pointer (RFC 6901) to the member, present or missing: a use case's argument, or the
    # body's, which have the same names.
    pointer: str
    code: str
    detail: str


class InvalidBodyError(AuthError):
    """A body violates its schema, or the arguments of a use case violate its rules.

    Lists the violations, at most `MAX_VIOLATIONS` of them.
    """

    status = 422
    code = "VALIDATION_FAILED"
    title = "What was sent breaks its schema"
    default_detail = "One or more members are invalid; errors lists them."

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(violations[0].detail if len(violations) == 1 else None)
        self.violations = tuple(violations[:MAX_VIOLATIONS])


class InvalidEmailError(AuthError):
    """Only a catalogue entry: it is raised as the one violation of an `InvalidBodyError`."""

    status = 422
    code = "INVALID_EMAIL"
    title = "The e-mail address is invalid"
    default_detail = "Send an e-mail address of at most 254 characters, such as ada@example.com."


class WeakPasswordError(AuthError):
    """Only a catalogue entry: it is raised as the one violation of an `InvalidBodyError`."""

    status = 422
    code = "WEAK_PASSWORD"
    title = "The password breaks the password policy"
    default_detail = "Choose a longer password, and one that nobody would guess."


class CrossSiteError(AuthError):
    """A request by cookie that was not sent by a page of this service or of a listed origin.

    `reason` is a fixed word for log and metrics; the client is never told.
    """

    status = 403
    code = "CROSS_SITE"
    title = "The request comes from another site"
    default_detail = "Only pages of this service, and of the origins it lists, can use the cookie."

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class RateLimitedError(TryAgainError):
    """Too many attempts."""

    status = 429
    code = "RATE_LIMITED"
    title = "Too many attempts"
    default_detail = "Too many attempts; wait as long as Retry-After says."
