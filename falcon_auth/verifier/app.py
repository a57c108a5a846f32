"""A Falcon application that requires a token on every route, with the errors of Falcon Auth."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from falcon_auth.api.app import AuthApp, RenderInside
from falcon_auth.api.client_addresses import ProxyTrust
from falcon_auth.api.guard import Guard
from falcon_auth.api.problems import handle_errors
from falcon_auth.api.request_middleware import RequestMiddleware
from falcon_auth.factors.recency import DEFAULT_RECENT_SECONDS, Recency
from falcon_auth.networks import Network
from falcon_auth.observability.events import LOG_ONLY
from falcon_auth.verifier.tokens import Verifier


class NoMetrics:
    """A `RequestMetrics` that counts nothing, because applications have metrics of their own."""

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Ignore a request."""

    def problem(self, code: str) -> None:
        """Ignore an error."""


class GuardedApp(AuthApp):
    """A guarded `falcon.App`.

    A resource class is guarded unless it is marked `public`; the token's claims are in
    `req.context.caller`, a `Claims`. The reason why a token is refused is logged (`token_rejected`)
    and not disclosed. `@requires(recent=True)` accepts a token whose `auth_time` is at most
    *recent_seconds* ago by *clock* (epoch seconds). Raises `ValueError` for *trusted_proxies* that
    include everyone.
    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        scopes: Sequence[str] = (),
        trusted_proxies: Sequence[Network] = (),
        recent_seconds: int = DEFAULT_RECENT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.scopes = frozenset(scopes)
        trust = ProxyTrust(trusted_proxies)
        self.add_middleware(
            RequestMiddleware(trust, self.allowed_methods, lambda: None, NoMetrics())
        )
        recency = Recency(recent_seconds, clock)
        self.add_middleware(
            Guard(verifier.authenticate, self.answers, self.requirement_for, recency)
        )
        self.add_middleware(RenderInside())
        handle_errors(self, LOG_ONLY)
