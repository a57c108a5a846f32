"""Refusals of authentication: tokens, passwords, second factors, credentials of services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from falcon_auth.errors.base import UnauthorizedError


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

    `reason` is a fixed word for the log and the metrics, never disclosed to the client. `seconds`
    is how far a time is off.
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
    """A spent refresh token was presented again, so its session was ended (RFC 9700, 4.14.2)."""

    code = "TOKEN_REUSED"
    title = "The refresh token was used before"
    default_detail = (
        "This refresh token was already used. Its session has been ended; log in again."
    )
    bearer_error = "invalid_token"


class SecondFactorRequiredError(UnauthorizedError):
    """The first factor was correct, and a second one is required.

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
    """The token is valid, but a more recent or stronger authentication is needed (RFC 9470).

    *max_age_seconds* is the maximum age of the authentication, if its age is the reason.
    """

    code = "STEP_UP_REQUIRED"
    title = "A fresh proof of who you are is needed"
    default_detail = "Confirm your identity, and send the request again."

    def __init__(self, max_age_seconds: int | None = None) -> None:
        super().__init__()
        self._max_age_seconds = max_age_seconds

    @property
    def challenge_parameters(self) -> Mapping[str, str]:
        """Those of RFC 9470, 3, without `bearer_error`, since the token itself is not refused."""
        stated = {"error": "insufficient_user_authentication", "error_description": self.title}
        if self._max_age_seconds is None:
            return stated
        return stated | {"max_age": str(self._max_age_seconds)}


class ProviderRefusedError(UnauthorizedError):
    """A provider, or what came back from it, did not establish who the user is.

    `reason` is a fixed word for the log; the client is never told.
    """

    code = "PROVIDER_REFUSED"
    title = "The provider did not confirm the login"
    default_detail = "The login at the provider failed or was cancelled; start it again."

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class InvalidClientError(UnauthorizedError):
    """A service has not authenticated (RFC 6749, 5.2); `reason` is for the log and the metrics."""

    code = "INVALID_CLIENT"
    title = "The service's credential is not accepted"
    default_detail = (
        "Send the service's own credential, as `falcon-auth service-token` printed it: as bearer "
        "token, by HTTP Basic, or as client_id and client_secret in the form; one of these."
    )
    reason = "service_credential"
