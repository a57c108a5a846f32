"""The catalogue of refusals: every error code a client can meet is written here, once.

Anyone may raise one; `falcon_auth.api.problems` renders them all. No web framework is
imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class AuthError(Exception):
    """A refusal. Its message is shown to the client: never put a secret in it."""

    status: ClassVar[int]
    code: ClassVar[str]  # Clients switch on it: renaming one is a breaking change.
    title: ClassVar[str]
    default_detail: ClassVar[str]

    @property
    def members(self) -> Mapping[str, object]:
        """What the problem document holds beside the members that all have."""
        return {}

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.default_detail
        super().__init__(self.detail)


class TryAgainError(AuthError):
    """A refusal that may succeed on a later try. `retry_after` is in whole seconds, 1 or more."""

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
    """The path does not exist, or the caller may not know that the resource does."""

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
    """The body's Content-Type is not JSON, or not a form on the two OAuth endpoints."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    title = "The media type of the body is not supported"
    default_detail = "Send the header Content-Type: application/json."


MAX_VIOLATIONS = 50  # Reported per request: a small body must not cause a large answer.


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that is broken: where, which, and a sentence. Never the value."""

    # JSON Pointer (RFC 6901) to the member, present or missing: a use case's argument, or the
    # body's, which have the same names.
    pointer: str
    code: str
    detail: str


class InvalidBodyError(AuthError):
    """What was sent breaks a schema, or what a use case was given breaks a rule.

    It names every violation, the first `MAX_VIOLATIONS` of them.
    """

    status = 422
    code = "VALIDATION_FAILED"
    title = "The body breaks its schema"
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


# --- Who is asking


class UnauthorizedError(AuthError):
    """A 401. `bearer_error` is the error parameter of WWW-Authenticate (RFC 6750)."""

    status = 401
    bearer_error: ClassVar[str | None] = None

    @property
    def challenge_parameters(self) -> Mapping[str, str]:
        """The parameters of WWW-Authenticate beside the realm."""
        if self.bearer_error is None:
            return {}
        return {"error": self.bearer_error, "error_description": self.title}


class InvalidCredentialsError(UnauthorizedError):
    """Unknown e-mail or wrong password; the client must not learn which."""

    code = "INVALID_CREDENTIALS"
    title = "E-mail or password is incorrect"
    default_detail = "The e-mail address or the password is incorrect."


class MissingTokenError(UnauthorizedError):
    """A request for a guarded resource has no bearer token."""

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
    """The token was valid and has expired, `seconds` ago."""

    code = "TOKEN_EXPIRED"
    title = "The token has expired"
    default_detail = "The token has expired; refresh it or log in again."
    bearer_error = "invalid_token"

    def __init__(self, *, seconds: int = 0) -> None:
        super().__init__()
        self.seconds = seconds


class RevokedTokenError(UnauthorizedError):
    """The token's session has ended."""

    code = "TOKEN_REVOKED"
    title = "The token has been revoked"
    default_detail = "The session of this token has ended; log in again."
    bearer_error = "invalid_token"


class ReusedTokenError(UnauthorizedError):
    """A spent refresh token came back too late: its session is ended (RFC 9700, 4.14.2)."""

    code = "TOKEN_REUSED"
    title = "The refresh token was used before"
    default_detail = (
        "This refresh token was already used. Its session has been ended; log in again."
    )
    bearer_error = "invalid_token"


class SecondFactorRequiredError(UnauthorizedError):
    """The first proof was right, and the user has a second factor.

    *challenge* is the token to send with it; *factors* are the kinds that the user can use.
    """

    code = "SECOND_FACTOR_REQUIRED"
    title = "A second factor is needed"
    default_detail = "Send the challenge with a code, or with a passkey, to login/factor."

    def __init__(self, challenge: str, factors: Sequence[str]) -> None:
        super().__init__()
        self._challenge = challenge
        self._factors = tuple(factors)

    @property
    def members(self) -> Mapping[str, object]:
        """The challenge, and the kinds of factors."""
        return {"challenge": self._challenge, "factors": list(self._factors)}


class FactorInvalidError(UnauthorizedError):
    """A code or a passkey is wrong, was used before, or is not the user's."""

    code = "FACTOR_INVALID"
    title = "The code or passkey is not right"
    default_detail = "The code or passkey is wrong, or was used before; try again with a new one."


class StepUpRequiredError(UnauthorizedError):
    """What was shown is good, and not enough: a newer or further proof is needed (RFC 9470).

    *max_age_seconds* is how old the proof may be, where that is what is wrong with it.
    """

    code = "STEP_UP_REQUIRED"
    title = "A fresh proof of who you are is needed"
    default_detail = "Prove who you are, and send the request again."

    def __init__(self, max_age_seconds: int | None = None) -> None:
        super().__init__()
        self._max_age_seconds = max_age_seconds

    @property
    def challenge_parameters(self) -> Mapping[str, str]:
        """RFC 9470, 3. No `bearer_error`: it is not the token that is refused."""
        stated = {"error": "insufficient_user_authentication", "error_description": self.title}
        if self._max_age_seconds is None:
            return stated
        return stated | {"max_age": str(self._max_age_seconds)}


class EmailNotVerifiedError(AuthError):
    """The password was right, and the address has to be verified first."""

    status = 403
    code = "EMAIL_NOT_VERIFIED"
    title = "The e-mail address is not verified"
    default_detail = "Open the link that was sent to your address, or ask for a password reset."


class RegistrationClosedError(AuthError):
    """REGISTRATION is `closed`: users are invited."""

    status = 403
    code = "REGISTRATION_CLOSED"
    title = "Registration is closed"
    default_detail = "New users are invited; contact the operator of the service."


class InvalidClientError(UnauthorizedError):
    """A service has not proved who it is (RFC 6749, 5.2); `reason` is for log and metrics."""

    code = "INVALID_CLIENT"
    title = "The service's credential is not accepted"
    default_detail = (
        "Send the service's own credential, as `falcon-auth service-token` printed it: as bearer "
        "token, by HTTP Basic, or as client_id and client_secret in the form; one of these."
    )
    reason = "service_credential"


class InsufficientScopeError(AuthError):
    """The token is good, and its user lacks one of *scopes* (RFC 6750, 3.1)."""

    status = 403
    code = "INSUFFICIENT_SCOPE"
    title = "A scope is missing"
    default_detail = "You are logged in, and not allowed to do this."

    def __init__(self, scopes: Sequence[str] = ()) -> None:
        super().__init__()
        self.scopes = tuple(scopes)

    @property
    def challenge_parameters(self) -> Mapping[str, str]:
        """The parameters of WWW-Authenticate beside the realm (RFC 6750, 3)."""
        return {"error": "insufficient_scope", "scope": " ".join(self.scopes)}


class AccountDisabledError(AuthError):
    """The password was right, but the account is disabled."""

    status = 403
    code = "ACCOUNT_DISABLED"
    title = "The account is disabled"
    default_detail = "This account is disabled; contact the operator of the service."


# --- What stands in the way


class DuplicateEmailError(AuthError):
    """Another user has this address, perhaps in another case or Unicode form."""

    status = 409
    code = "DUPLICATE_EMAIL"
    title = "The e-mail address is taken"
    default_detail = "A user with this e-mail address exists already."


class DuplicateUsernameError(AuthError):
    """Another user has this name, perhaps in another case."""

    status = 409
    code = "DUPLICATE_USERNAME"
    title = "The user name is taken"
    default_detail = "A user with this user name exists already."


class FactorRequiredError(AuthError):
    """The last factor of a user who has to have one cannot be removed."""

    status = 409
    code = "FACTOR_REQUIRED"
    title = "The last factor cannot be removed"
    default_detail = "A role of yours asks for a second factor; add another one first."


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
    default_detail = "Something went wrong here; the log has details under this request_id."


class OverloadedError(TryAgainError):
    """The hashing queue is full. Nothing was changed."""

    status = 503
    code = "OVERLOADED"
    title = "The service is busy"
    default_detail = "Too many requests wait for a password hash; try again shortly."


class StoreUnavailableError(TryAgainError):
    """A store cannot answer now. Nothing was changed, unless the detail is `outcome_unknown`."""

    status = 503
    code = "STORE_UNAVAILABLE"
    title = "The store is unavailable"
    default_detail = "The service cannot reach its store; try again shortly."
    outcome_unknown = "Whether this was done is not known; look before you send it again."


class AbandonedError(Exception):
    """The caller had gone before a worker came to its job, which was therefore not done.

    No `AuthError`: nobody is left to be told. Whoever passes `abandoned` expects it.
    """


class ConfigurationError(Exception):
    """The settings do not make a service; the message names every fault, no value."""


class DatabaseAwayError(ConfigurationError):
    """The database does not answer; its settings may be right, and starting may work later."""


# Every code that a client can meet, with the class that stands for it. A subclass, which shares
# its parent's code, is not listed.
CATALOGUE: Mapping[str, type[AuthError]] = {
    kind.code: kind
    for kind in (
        MalformedJsonError,
        MalformedRequestError,
        HeadersTooLargeError,
        UnimplementedError,
        NotFoundError,
        MethodNotAllowedError,
        PayloadTooLargeError,
        UnsupportedMediaTypeError,
        InvalidBodyError,
        InvalidEmailError,
        WeakPasswordError,
        InvalidCredentialsError,
        MissingTokenError,
        InvalidTokenError,
        ExpiredTokenError,
        RevokedTokenError,
        ReusedTokenError,
        SecondFactorRequiredError,
        FactorInvalidError,
        StepUpRequiredError,
        InvalidClientError,
        InsufficientScopeError,
        AccountDisabledError,
        EmailNotVerifiedError,
        RegistrationClosedError,
        DuplicateEmailError,
        DuplicateUsernameError,
        FactorRequiredError,
        RateLimitedError,
        InternalError,
        OverloadedError,
        StoreUnavailableError,
    )
}
