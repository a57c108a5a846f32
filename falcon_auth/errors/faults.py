"""Faults of the service: refusals that are not the client's fault, and start-up errors."""

from __future__ import annotations

from falcon_auth.errors.base import AuthError, TryAgainError


class InternalError(AuthError):
    """A fault of the service; the log has its traceback under the same request id."""

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
    """A store is unavailable. Nothing was changed, unless the detail is `outcome_unknown`."""

    status = 503
    code = "STORE_UNAVAILABLE"
    title = "The store is unavailable"
    default_detail = "The service cannot reach its store; try again shortly."
    outcome_unknown = "Whether this was done is not known; look before you send it again."


class ProviderUnavailableError(TryAgainError):
    """A provider is away, slow, or asked by too many requests at once. Nothing was changed."""

    status = 503
    code = "PROVIDER_UNAVAILABLE"
    title = "The provider is unavailable"
    default_detail = "The provider cannot be reached now; try again shortly, or log in another way."


class AbandonedError(Exception):
    """The client disconnected before a worker started its job, which was therefore not done.

    It is not an `AuthError`, because no client is left to receive it. Only callers that pass
    `abandoned` need to handle it.
    """


class ConfigurationError(Exception):
    """The settings cannot be used; the message names every fault, and quotes no value."""


class DatabaseAwayError(ConfigurationError):
    """The database does not answer; its settings may be correct, and a later start may succeed."""
