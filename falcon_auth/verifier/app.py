"""A Falcon application whose every route asks for a token, with the errors of Falcon Auth."""

from __future__ import annotations

from collections.abc import Sequence

from falcon_auth.api.addresses import Network, ProxyTrust
from falcon_auth.api.app import AuthApp
from falcon_auth.api.exchange import Exchange
from falcon_auth.api.guard import Guard
from falcon_auth.api.problems import handle_errors
from falcon_auth.verifier.tokens import Verifier


class NoMetrics:
    """A `RequestMetrics` that counts nothing: the application has metrics of its own, or none."""

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count nothing."""

    def problem(self, code: str) -> None:
        """Count nothing."""


class GuardedApp(AuthApp):
    """Use it in place of `falcon.App`.

    A resource class is guarded unless it is marked `public`; what the token says is in
    `req.context.caller`, a `Claims`. Why a token failed is logged (`token_rejected`), not told.
    """

    def __init__(self, verifier: Verifier, *, trusted_proxies: Sequence[Network] = ()) -> None:
        super().__init__()
        trust = ProxyTrust(trusted_proxies)
        self.add_middleware(Exchange(trust, self.allowed_methods, lambda: None, NoMetrics()))
        self.add_middleware(Guard(verifier.authenticate, self.answers))
        handle_errors(self, lambda _reason: None)
