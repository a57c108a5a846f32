"""Log-in by others as PROVIDERS_FILE asks for it."""

from __future__ import annotations

import os
from functools import partial

from dotenv import dotenv_values

from falcon_auth.accounts.parts import Parts
from falcon_auth.breaker import Breaker
from falcon_auth.errors import ConfigurationError
from falcon_auth.observability.metrics import Metrics
from falcon_auth.providers.assembly import Makings, Providers, build_providers
from falcon_auth.providers.configuration import (
    ProviderEntry,
    ProvidersFileError,
    read_providers,
)
from falcon_auth.providers.foundations import Foundations
from falcon_auth.providers.identities import Identities
from falcon_auth.providers.login import ProviderLogin
from falcon_auth.providers.provider import Provider
from falcon_auth.providers.return_urls import ReturnUrls
from falcon_auth.providers.tokens import ProviderTokens
from falcon_auth.sessions.signed_tokens import Issuer
from falcon_auth.settings import Settings
from falcon_auth.settings.variables import ENV_ENCODING, ENV_FILE


def make_providers(settings: Settings, parts: Parts, issuer: Issuer, metrics: Metrics) -> Providers:
    """Build the use cases, for settings with PROVIDERS_FILE.

    Raises `ConfigurationError` where the file, or a key that it names, cannot be used.
    """
    makings = Makings(
        base_url=settings.public_base,
        insecure=settings.environment != "production",
        make_breaker=partial(_make_breaker, settings, metrics),
        clock=parts.clock,
    )
    foundations = Foundations(
        providers=_configured(settings, makings),
        base_url=settings.public_base,
        return_urls=ReturnUrls.of(settings.return_prefixes),
        tokens=ProviderTokens(issuer),
        identities=parts.store.identities,
        users=parts.store.users,
        sessions=parts.sessions,
        throttle=parts.throttle,
        trail=parts.trail,
        only_verified=settings.email_verification == "required",
        open_to_new=settings.registration == "open",
        clock=parts.clock,
        events=parts.events,
    )
    return Providers(ProviderLogin(foundations), Identities(foundations))


def _configured(settings: Settings, makings: Makings) -> dict[str, Provider]:
    assert settings.providers_file is not None  # noqa: S101 - whoever calls has looked
    try:
        data = settings.providers_file.read_bytes()
        entries: list[ProviderEntry] = read_providers(
            data, _environment(), insecure=makings.insecure
        )
        return build_providers(entries, makings)
    except OSError as error:
        raise ConfigurationError(f"PROVIDERS_FILE: cannot be read: {error.strerror}") from None
    except ProvidersFileError as error:
        lines = (f"PROVIDERS_FILE: {line}" for line in str(error).splitlines())
        raise ConfigurationError("\n".join(lines)) from None


def _environment() -> dict[str, str]:
    """Return the variables that may hold secrets of providers; the environment's own ones win."""
    in_file = dotenv_values(ENV_FILE, encoding=ENV_ENCODING)
    return {name: value for name, value in in_file.items() if value} | dict(os.environ)


def _make_breaker(settings: Settings, metrics: Metrics, name: str) -> Breaker:
    breaker = Breaker(
        f"provider-{name}",
        threshold=settings.circuit_breaker_threshold,
        timeout=settings.circuit_breaker_timeout,
    )
    metrics.watch_breaker(breaker.name, lambda: breaker.state)
    return breaker
