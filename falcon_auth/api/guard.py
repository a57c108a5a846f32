"""The guard: every resource needs a bearer token (RFC 6750) unless its class says `public`.

A resource class, or one of its responders, can ask for more than a token:

    @requires("notes:write", recent=True)
    class Deletion: ...

    class Notes:
        @requires("notes:write")
        def on_put(self, req, resp): ...
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from falcon import Request, Response

from falcon_auth.access.scopes import is_scope, lacking
from falcon_auth.errors import InsufficientScopeError, MissingTokenError
from falcon_auth.factors.recency import Proven, Recency

Kind = TypeVar("Kind", bound=type)
Guarded = TypeVar("Guarded", bound=Callable[..., Any])

_PUBLIC = "_falcon_auth_public"
_REQUIREMENT = "_falcon_auth_requirement"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a guarded operation requires in addition to a valid token."""

    scopes: frozenset[str] = frozenset()
    recent: bool = False
    factor: bool = False

    def __or__(self, other: Requirement) -> Requirement:
        """Return the union of both requirements."""
        return Requirement(
            self.scopes | other.scopes, self.recent or other.recent, self.factor or other.factor
        )


NOTHING_MORE = Requirement()


def public(kind: Kind) -> Kind:
    """Mark a resource class as open to everyone. Subclasses are guarded again."""
    setattr(kind, _PUBLIC, kind)
    return kind


def requires(
    *scopes: str, recent: bool = False, factor: bool = False
) -> Callable[[Guarded], Guarded]:
    """Make a resource class, or one responder, require more than a valid token.

    *scopes*: the caller must have all of them, or `admin`; otherwise the answer is 403
    INSUFFICIENT_SCOPE. *recent*: the caller must have authenticated within RECENT_LOGIN_MINUTES,
    with a second factor if they have one. *factor*: the session must have been opened or confirmed
    with a second factor. Otherwise the answer is 401 STEP_UP_REQUIRED (RFC 9470). The requirements
    of a class, of a responder and of several such decorators add up; subclasses inherit them.

    Raises `TypeError` for what is not a scope (RFC 6749, 3.3), the decorated class among others.
    """
    for scope in scopes:
        if not isinstance(scope, str) or not is_scope(scope):
            message = f"{scope!r} is not a scope; a scope is a word such as 'notes:write'"
            raise TypeError(message)
    wanted = Requirement(frozenset(scopes), recent, factor)

    def mark(guarded: Guarded) -> Guarded:
        setattr(guarded, _REQUIREMENT, requirement_of(guarded) | wanted)
        return guarded

    return mark


def is_public(resource: object) -> bool:
    """Return whether this very class, not a parent class, is marked as public."""
    kind = type(resource)
    return getattr(kind, _PUBLIC, None) is kind


def requirement_of(marked: object) -> Requirement:
    """Return what a class or a responder was marked with."""
    requirement: Requirement = getattr(marked, _REQUIREMENT, NOTHING_MORE)
    return requirement


def requirements_of(
    resource: object, responders: Mapping[str, Callable[..., Any]]
) -> dict[str, Requirement]:
    """Return, by method, what a resource asks for beside a token.

    Raises `TypeError` for a public resource that asks for anything: nobody would be there to ask.
    """
    of_class = requirement_of(type(resource))
    found = {method: of_class | requirement_of(each) for method, each in responders.items()}
    if is_public(resource) and any(each != NOTHING_MORE for each in [of_class, *found.values()]):
        message = f"{type(resource).__name__} is public, so that it cannot require anything"
        raise TypeError(message)
    return found


class Bearer(Proven, Protocol):
    """An authenticated caller: a `Caller` here, or the `Claims` of a token in another service."""

    @property
    def scopes(self) -> Collection[str]:
        """The scopes of the caller (RFC 6749, 3.3)."""


class Guard:
    """Middleware that requires a valid access token and sets `req.context.caller`.

    What Falcon answers by itself (OPTIONS, 405) discloses nothing, and passes. *requirement_for*
    returns what the routed operation requires in addition to a token, and *recency* checks it.
    """

    def __init__(
        self,
        authenticate: Callable[[str], Bearer],
        answers: Callable[[Request], bool],
        requirement_for: Callable[[Request], Requirement],
        recency: Recency,
    ) -> None:
        self._authenticate = authenticate
        self._answers = answers
        self._requirement_for = requirement_for
        self._recency = recency

    def process_resource(
        self,
        req: Request,
        resp: Response,  # noqa: ARG002 - Falcon's shape
        resource: object,
        params: dict[str, Any],  # noqa: ARG002 - Falcon's shape
    ) -> None:
        """Refuse a request without a valid access token, or without what is asked for beside it.

        Raises `MissingTokenError`, `InvalidTokenError`, `ExpiredTokenError`, `RevokedTokenError`,
        `InsufficientScopeError`, `StepUpRequiredError`, `StoreUnavailableError`.
        """
        if is_public(resource) or not self._answers(req):
            return
        caller = self._authenticate(bearer_token(req))
        req.context.caller = caller
        wanted = self._requirement_for(req)
        if wanted is not NOTHING_MORE:
            if lacking(caller.scopes, wanted.scopes):
                raise InsufficientScopeError(sorted(wanted.scopes))
            self._recency.check(caller, recent=wanted.recent, factor=wanted.factor)


def bearer_token(req: Request) -> str:
    """Return the token of the Authorization header. Raises `MissingTokenError`."""
    scheme, _, token = (req.auth or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise MissingTokenError
    return token
