"""What the use cases of providers stand on; `service` builds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from falcon_auth.audit.trail import Trail
from falcon_auth.errors import NotFoundError
from falcon_auth.observability.events import Events
from falcon_auth.providers.provider import Provider
from falcon_auth.providers.return_urls import ReturnUrls
from falcon_auth.providers.tokens import ProviderTokens
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.store import IdentityStore, UserStore
from falcon_auth.throttle.attempts import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundations:
    """The collaborators of all of them; *clock* gives epoch seconds.

    *only_verified*: whoever has not proved the address does not log in. *open_to_new*: people
    whom nobody knows get an account.
    """

    providers: Mapping[str, Provider]  # By name, in the order of the file.
    base_url: str  # Where this service is reached, without a slash at the end.
    return_urls: ReturnUrls
    tokens: ProviderTokens
    identities: IdentityStore
    users: UserStore
    sessions: Sessions
    throttle: Throttle
    trail: Trail
    only_verified: bool
    open_to_new: bool
    clock: Callable[[], float]
    events: Events

    def provider(self, name: str) -> Provider:
        """Return a provider by name. Raises `NotFoundError`."""
        if name not in self.providers:
            raise NotFoundError
        return self.providers[name]
