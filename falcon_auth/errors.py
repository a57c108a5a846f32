"""The catalogue of refusals: every error code a client can meet is written here, once.

Anyone may raise one; `falcon_auth.api.problems` renders them all. No web framework is
imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar


class AuthError(Exception):
    """A refusal. Its message is shown to the client: never put a secret in it."""

    status: ClassVar[int]
    code: ClassVar[str]  # Clients switch on it: renaming one is a breaking change.
    title: ClassVar[str]
    default_detail: ClassVar[str]

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.default_detail
        super().__init__(self.detail)


class TryAgainError(AuthError):
    """A refusal that time cures. `retry_after` is in whole seconds, 1 or more."""

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = max(1, retry_after)


# --- The request itself


class MalformedJsonError(AuthError):
    """The body is empty or not one JSON text of RFC 8259."""

    status = 400
    code = "MALFORMED_JSON"
    title = "The body is not valid JSON"
    default_detail = "Send one JSON object, encoded as UTF-8, without duplicate names."


class NotFoundError(AuthError):
    """No such path, or no such thing that the caller may know of."""

    status = 404
    code = "NOT_FOUND"
    title = "Not found"
    default_detail = "There is nothing at this address."


class MethodNotAllowedError(AuthError):
    """The path exists, the method does not; `allowed` goes into the Allow header."""

    status = 405
    code = "METHOD_NOT_ALLOWED"
    title = "Method not allowed"
    default_detail = "This address does not answer that method; Allow lists those it does."

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__()
        self.allowed = tuple(allowed)


class PayloadTooLargeError(AuthError):
    """The body is larger than any body this service needs."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"
    title = "The body is too large"
    default_detail = "A request body may have 16 KiB at most."


class UnsupportedMediaTypeError(AuthError):
    """The body is not declared as what is read here: JSON, but for two OAuth endpoints."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    title = "The body's media type is not read here"
    default_detail = "Send the header Content-Type: application/json."


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule that a body breaks: where, which, and a sentence. Never the value."""

    pointer: str  # JSON Pointer (RFC 6901) to the member, present or missing.
    code: str
    detail: str


class InvalidBodyError(AuthError):
    """The body is JSON, but breaks its schema or a policy; it names every breach."""

    status = 422
    code = "VALIDATION_FAILED"
    title = "The body breaks its schema"
    default_detail = "One or more members are invalid; errors lists them."

    def __init__(self, breaches: Sequence[Breach]) -> None:
        super().__init__(breaches[0].detail if len(breaches) == 1 else None)
        self.breaches = tuple(breaches)


class InvalidEmailError(AuthError):
    """Only a catalogue entry: it is raised as the one breach of an `InvalidBodyError`."""

    status = 422
    code = "INVALID_EMAIL"
    title = "The e-mail address is invalid"
    default_detail = "Send an e-mail address of at most 254 characters, such as ada@example.com."


class WeakPasswordError(AuthError):
    """Only a catalogue entry: it is raised as the one breach of an `InvalidBodyError`."""

    status = 422
    code = "WEAK_PASSWORD"
    title = "The password breaks the password policy"
    default_detail = "Choose a longer password, and one that nobody would guess."


# --- Who is asking


class UnauthorizedError(AuthError):
    """A 401. `bearer_error` is the error parameter of WWW-Authenticate (RFC 6750)."""

    status = 401
    bearer_error: ClassVar[str | None] = None


class InvalidCredentialsError(UnauthorizedError):
    """Unknown e-mail or wrong password; the client must not learn which."""

    code = "INVALID_CREDENTIALS"
    title = "E-mail or password is incorrect"
    default_detail = "The e-mail address or the password is incorrect."


class MissingTokenError(UnauthorizedError):
    """A guarded resource was asked for without a bearer token."""

    code = "MISSING_TOKEN"
    title = "A bearer token is needed"
    default_detail = "Send the header Authorization: Bearer <access token>."


class InvalidTokenError(UnauthorizedError):
    """The token is not one that this service would have issued.

    `reason` is a fixed word for log and metrics; the client is never told. `seconds` says by how
    much a time is off.
    """

    code = "TOKEN_INVALID"
    title = "The token is invalid"
    default_detail = "The token is not valid here; log in again."
    bearer_error = "invalid_token"

    def __init__(self, reason: str, *, seconds: int | None = None) -> None:
        super().__init__()
        self.reason = reason
        self.seconds = seconds


class ExpiredTokenError(UnauthorizedError):
    """The token was good once, and its time is over; `seconds` says since when."""

    code = "TOKEN_EXPIRED"
    title = "The token has expired"
    default_detail = "The token has expired; refresh it or log in again."
    bearer_error = "invalid_token"

    def __init__(self, *, seconds: int = 0) -> None:
        super().__init__()
        self.seconds = seconds


class RevokedTokenError(UnauthorizedError):
    """The token's session is over."""

    code = "TOKEN_REVOKED"
    title = "The token has been revoked"
    default_detail = "The session of this token is over; log in again."
    bearer_error = "invalid_token"


class ReusedTokenError(UnauthorizedError):
    """A spent refresh token came back too late: its session is ended (RFC 9700, 4.14.2)."""

    code = "TOKEN_REUSED"
    title = "The refresh token was used before"
    default_detail = "This refresh token was spent before; its session is ended, log in again."
    bearer_error = "invalid_token"


class AccountDisabledError(AuthError):
    """The password was right, the account is disabled."""

    status = 403
    code = "ACCOUNT_DISABLED"
    title = "The account is disabled"
    default_detail = "This account is disabled; ask whoever runs the service."


# --- What stands in the way


class DuplicateEmailError(AuthError):
    """Another user has this address, in whatever case or Unicode form."""

    status = 409
    code = "DUPLICATE_EMAIL"
    title = "The e-mail address is taken"
    default_detail = "A user with this e-mail address exists already."


class DuplicateUsernameError(AuthError):
    """Another user has this name, in whatever case."""

    status = 409
    code = "DUPLICATE_USERNAME"
    title = "The user name is taken"
    default_detail = "A user with this user name exists already."


class RateLimitedError(TryAgainError):
    """Too many attempts."""

    status = 429
    code = "RATE_LIMITED"
    title = "Too many attempts"
    default_detail = "Too many attempts; wait as long as Retry-After says."


class InternalError(AuthError):
    """A fault of ours; the log has its traceback under the same request id."""

    status = 500
    code = "INTERNAL_ERROR"
    title = "Internal error"
    default_detail = "Something went wrong here; the log tells more under this request_id."


class OverloadedError(TryAgainError):
    """The hashing queue is full. Nothing was changed."""

    status = 503
    code = "OVERLOADED"
    title = "The service is busy"
    default_detail = "Too many requests wait for a password hash; try again shortly."


class StoreUnavailableError(TryAgainError):
    """A store cannot answer now. Nothing was changed."""

    status = 503
    code = "STORE_UNAVAILABLE"
    title = "The store is unavailable"
    default_detail = "The service cannot reach its store; try again shortly."


class AbandonedError(Exception):
    """The caller had gone before a worker came to its job, which was therefore not done.

    No `AuthError`: nobody is left to be told. Whoever passes `abandoned` expects it.
    """


def catalogue() -> dict[str, type[AuthError]]:
    """Every code a client can meet, with the class that stands for it."""
    return {kind.code: kind for kind in _kinds(AuthError) if hasattr(kind, "code")}


def _kinds(root: type[AuthError]) -> Iterator[type[AuthError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)
