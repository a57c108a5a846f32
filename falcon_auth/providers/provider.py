"""What a provider is to the use cases, whichever protocol it speaks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from falcon_auth.models import SpentChallenge

MAX_EMAIL_LENGTH = 254
MAX_SUBJECT_LENGTH = 255  # OpenID Connect Core, 2: of ASCII characters.


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One log-in at a provider that a browser has begun. Its cookie holds it meanwhile."""

    provider: str
    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)  # Of PKCE (RFC 7636).
    return_to: str
    link_for: str | None  # The user that asked to link an identity; None for a log-in.
    spent: SpentChallenge  # What makes its callback work only once.


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Who a provider says that somebody is."""

    issuer: str
    subject: str = field(repr=False)
    email: str | None = field(repr=False)
    email_verified: bool  # Whether the provider says that it has verified the address.


class Provider(Protocol):
    """A provider. Safe to call from any thread; no call takes longer than a conversation may.

    Each raises `ProviderUnavailableError` where the provider is away, slow or asked too often, and
    `ProviderRefusedError` where it does not answer as it must.
    """

    @property
    def name(self) -> str:
        """The name in URLs."""

    @property
    def title(self) -> str:
        """The name that people know."""

    @property
    def issuer(self) -> str:
        """Who vouches, as configured."""

    def authorization_url(self, attempt: Attempt) -> str:
        """Return where the browser is to go."""

    def redeem(self, answer: Mapping[str, str], attempt: Attempt) -> Vouched:
        """Return who the user is, by the parameters that the browser came back with."""


def random_text() -> str:
    """Return 256 random bits: what RFC 7636, 7.1 asks of a verifier."""
    return secrets.token_urlsafe(32)
