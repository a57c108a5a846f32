"""The base classes of refusals: a status, a code, a title, and a sentence of detail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class AuthError(Exception):
    """A refusal. Its message is shown to the client: never put a secret in it."""

    status: ClassVar[int]
    code: ClassVar[str]  # Clients switch on it: renaming one is a breaking change.
    title: ClassVar[str]
    default_detail: ClassVar[str]

    @property
    def members(self) -> Mapping[str, object]:
        """Additional members of the problem document."""
        return {}

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.default_detail
        super().__init__(self.detail)


class TryAgainError(AuthError):
    """A refusal that may succeed on a later try. `retry_after` is in whole seconds, 1 or more."""

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = max(1, retry_after)


class UnauthorizedError(AuthError):
    """A 401. `bearer_error` is the error parameter of WWW-Authenticate (RFC 6750)."""

    status = 401
    bearer_error: ClassVar[str | None] = None

    @property
    def challenge_parameters(self) -> Mapping[str, str]:
        """The parameters of WWW-Authenticate in addition to the realm."""
        if self.bearer_error is None:
            return {}
        return {"error": self.bearer_error, "error_description": self.title}
