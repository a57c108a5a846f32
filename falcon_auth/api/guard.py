"""The guard: every resource needs a bearer token (RFC 6750) unless its class says `public`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from falcon import Request, Response

from falcon_auth.errors import MissingTokenError

Kind = TypeVar("Kind", bound=type)

_PUBLIC = "_falcon_auth_public"


def public(kind: Kind) -> Kind:
    """Mark a resource class as open to everyone. Subclasses are guarded again."""
    setattr(kind, _PUBLIC, kind)
    return kind


def is_public(resource: object) -> bool:
    """Return whether this very class was marked."""
    kind = type(resource)
    return getattr(kind, _PUBLIC, None) is kind


class Guard:
    """Middleware that lets only a verified caller through, and puts it into `req.context.caller`.

    What Falcon answers by itself (OPTIONS, 405) tells nothing and passes.
    """

    def __init__(
        self,
        authenticate: Callable[[str], object],
        answers: Callable[[Request], bool],
    ) -> None:
        self._authenticate = authenticate
        self._answers = answers

    def process_resource(
        self,
        req: Request,
        resp: Response,  # noqa: ARG002 - Falcon's shape
        resource: object,
        params: dict[str, Any],  # noqa: ARG002 - Falcon's shape
    ) -> None:
        """Refuse a request without a valid access token.

        Raises `MissingTokenError`, `InvalidTokenError`, `ExpiredTokenError`,
        `RevokedTokenError`, `StoreUnavailableError`.
        """
        if is_public(resource) or not self._answers(req):
            return
        req.context.caller = self._authenticate(bearer_token(req))


def bearer_token(req: Request) -> str:
    """Return the token of the Authorization header. Raises `MissingTokenError`."""
    scheme, _, token = (req.auth or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise MissingTokenError
    return token
