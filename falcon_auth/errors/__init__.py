"""The catalogue of refusals: every error code that a client can receive is defined here, once.

Any code may raise one; `falcon_auth.api.problems` renders them all. No web framework is imported
here.
"""

from __future__ import annotations

from collections.abc import Mapping

from falcon_auth.errors.accounts import (
    AccountDisabledError,
    DuplicateEmailError,
    DuplicateUsernameError,
    EmailNotVerifiedError,
    FactorRequiredError,
    InsufficientScopeError,
    LastAdministratorError,
    RegistrationClosedError,
)
from falcon_auth.errors.authentication import (
    ExpiredTokenError,
    FactorInvalidError,
    InvalidClientError,
    InvalidCredentialsError,
    InvalidTokenError,
    MissingTokenError,
    ReusedTokenError,
    RevokedTokenError,
    SecondFactorRequiredError,
    StepUpRequiredError,
)
from falcon_auth.errors.base import (
    AuthError,
    TryAgainError,
    UnauthorizedError,
)
from falcon_auth.errors.faults import (
    AbandonedError,
    ConfigurationError,
    DatabaseAwayError,
    InternalError,
    OverloadedError,
    StoreUnavailableError,
)
from falcon_auth.errors.requests import (
    MAX_VIOLATIONS,
    CrossSiteError,
    HeadersTooLargeError,
    InvalidBodyError,
    InvalidEmailError,
    MalformedJsonError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitedError,
    UnimplementedError,
    UnsupportedMediaTypeError,
    Violation,
    WeakPasswordError,
)

__all__ = [
    "CATALOGUE",
    "MAX_VIOLATIONS",
    "AbandonedError",
    "AccountDisabledError",
    "AuthError",
    "ConfigurationError",
    "CrossSiteError",
    "DatabaseAwayError",
    "DuplicateEmailError",
    "DuplicateUsernameError",
    "EmailNotVerifiedError",
    "ExpiredTokenError",
    "FactorInvalidError",
    "FactorRequiredError",
    "HeadersTooLargeError",
    "InsufficientScopeError",
    "InternalError",
    "InvalidBodyError",
    "InvalidClientError",
    "InvalidCredentialsError",
    "InvalidEmailError",
    "InvalidTokenError",
    "LastAdministratorError",
    "MalformedJsonError",
    "MalformedRequestError",
    "MethodNotAllowedError",
    "MissingTokenError",
    "NotFoundError",
    "OverloadedError",
    "PayloadTooLargeError",
    "RateLimitedError",
    "RegistrationClosedError",
    "ReusedTokenError",
    "RevokedTokenError",
    "SecondFactorRequiredError",
    "StepUpRequiredError",
    "StoreUnavailableError",
    "TryAgainError",
    "UnauthorizedError",
    "UnimplementedError",
    "UnsupportedMediaTypeError",
    "Violation",
    "WeakPasswordError",
]

# Every code that a client can receive, with its class. Subclasses that share their parent's code
# are not listed.
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
        CrossSiteError,
        DuplicateEmailError,
        DuplicateUsernameError,
        FactorRequiredError,
        LastAdministratorError,
        RateLimitedError,
        InternalError,
        OverloadedError,
        StoreUnavailableError,
    )
}
