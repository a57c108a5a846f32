"""Builds the providers of PROVIDERS_FILE; `service` builds their use cases."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from falcon_auth.breaker import Breaker
from falcon_auth.providers.apple import AppleSecret
from falcon_auth.providers.configuration import ProviderEntry, ProvidersFileError
from falcon_auth.providers.conversation import CONVERSATION_SECONDS, Credentials, Line, Seats
from falcon_auth.providers.documents import Documents
from falcon_auth.providers.github import GitHubProvider
from falcon_auth.providers.identities import Identities
from falcon_auth.providers.login import ProviderLogin
from falcon_auth.providers.openid import OpenIdProvider, Registered
from falcon_auth.providers.provider import Provider


@dataclass(frozen=True, slots=True)
class Providers:
    """The use cases of providers, where the service has them."""

    login: ProviderLogin
    identities: Identities


@dataclass(frozen=True, slots=True, kw_only=True)
class Makings:
    """What every provider is made with; *clock* gives epoch seconds, *make_breaker* by a name."""

    base_url: str
    insecure: bool  # Whether a provider on this machine may be http.
    make_breaker: Callable[[str], Breaker]
    clock: Callable[[], float]
    monotonic: Callable[[], float] = time.monotonic
    conversation_seconds: float = CONVERSATION_SECONDS


def build_providers(entries: Sequence[ProviderEntry], makings: Makings) -> dict[str, Provider]:
    """Return the providers by name. Raises `ProvidersFileError` for a key that cannot be used."""
    seats, trust = Seats.of_all(), ssl.create_default_context()
    made: dict[str, Provider] = {}
    for entry in entries:
        line = Line(
            Credentials(
                client_id=entry.client_id,
                client_secret=_secret_of(entry, makings.clock),
                method=entry.client_authentication,
            ),
            makings.make_breaker(entry.name),
            seats,
            trust,
            seconds=makings.conversation_seconds,
        )
        registered = _register(entry, makings.base_url)
        if entry.preset == "github":
            made[entry.name] = GitHubProvider(registered, line)
            continue
        documents = Documents(
            entry.issuer, entry.discovery, insecure=makings.insecure, monotonic=makings.monotonic
        )
        made[entry.name] = OpenIdProvider(registered, line, documents, makings.clock)
    return made


def _register(entry: ProviderEntry, base_url: str) -> Registered:
    return Registered(
        name=entry.name,
        title=entry.title,
        issuer=entry.issuer,
        client_id=entry.client_id,
        scopes=entry.scopes,
        redirect_uri=f"{base_url}/api/v1/auth/providers/{entry.name}/callback",
        # Apple answers by a form wherever it is asked for the address.
        response_mode="form_post" if entry.preset == "apple" else None,
        # Microsoft lets every tenant state any address; this claim says that it owns the domain.
        verified_claim="xms_edov" if entry.preset == "microsoft" else "email_verified",
    )


def _secret_of(entry: ProviderEntry, clock: Callable[[], float]) -> Callable[[], str]:
    if entry.preset != "apple":
        return lambda: entry.client_secret
    try:
        pem = Path(entry.private_key_file).read_text(encoding="ascii")
        return AppleSecret(
            team_id=entry.team_id,
            key_id=entry.key_id,
            client_id=entry.client_id,
            audience=entry.issuer,
            pem=pem,
            clock=clock,
        )
    except OSError as error:
        fault = f"{entry.name}: its private_key_file cannot be read: {error.strerror}"
    except ValueError:
        fault = f"{entry.name}: its private_key_file is not the .p8 file of an Apple key"
    raise ProvidersFileError(fault)
