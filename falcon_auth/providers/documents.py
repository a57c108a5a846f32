"""A provider's own documents: its metadata (OpenID Connect Discovery) and its keys (RFC 7517)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.httpx_client import AsyncOAuth2Client

from falcon_auth.breaker import OutageError
from falcon_auth.errors import ProviderRefusedError
from falcon_auth.networks import is_loopback
from falcon_auth.providers.conversation import read_json
from falcon_auth.providers.id_token import find_key

FRESH_SECONDS = 3600  # Then a document is fetched again;
STALE_SECONDS = 24 * 3600  # one that cannot be fetched is good for so long.
SEARCH_SECONDS = 60  # Between two fetches for key ids that are not known.
MAX_KEYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Where a provider does what, by its own document."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    states_issuer: bool  # Whether each answer to a browser has `iss` (RFC 9207).


def read_metadata(document: Any, *, issuer: str, insecure: bool) -> Metadata:
    """Return what a metadata document says. Raises `ProviderRefusedError`.

    *insecure*: endpoints on this machine may be http.
    """
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise ProviderRefusedError("metadata_issuer")  # Discovery, 4.3.

    def endpoint(name: str) -> str:
        url = document.get(name)
        parts = urlsplit(url if isinstance(url, str) else "")
        local = insecure and parts.scheme == "http" and is_loopback(parts.hostname)
        if not local and (parts.scheme != "https" or not parts.hostname):
            raise ProviderRefusedError("metadata_endpoint")
        return str(url)

    return Metadata(
        authorization_endpoint=endpoint("authorization_endpoint"),
        token_endpoint=endpoint("token_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        userinfo_endpoint=endpoint("userinfo_endpoint")
        if "userinfo_endpoint" in document
        else None,
        states_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


class Documents:
    """A provider's documents, kept for an hour. Safe to call from any thread.

    Two threads that find one too old both fetch it; the last one stays. *discovery* is the address
    that the metadata's well-known path is below; *monotonic* gives seconds.
    """

    def __init__(
        self,
        issuer: str,
        discovery: str,
        *,
        insecure: bool,
        monotonic: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._url = discovery.rstrip("/") + "/.well-known/openid-configuration"
        self._insecure = insecure
        self._monotonic = monotonic
        self._metadata: tuple[float, Metadata] | None = None  # With the time of the fetch.
        self._keys: tuple[float, list[Any]] | None = None
        self._searched_at = -math.inf

    @property
    def fresh_metadata(self) -> Metadata | None:
        """The metadata, if no conversation is needed to have it."""
        known = self._metadata
        return known[1] if known and self._age(known[0]) < FRESH_SECONDS else None

    async def metadata(self, client: AsyncOAuth2Client) -> Metadata:
        """Return the metadata, fetched where it is too old."""
        fresh = self.fresh_metadata
        if fresh is not None:
            return fresh
        known = self._metadata
        try:
            document = await read_json(client, self._url)
        except OutageError:
            if known is None or self._age(known[0]) > STALE_SECONDS:
                raise
            return known[1]
        metadata = read_metadata(document, issuer=self._issuer, insecure=self._insecure)
        self._metadata = (self._monotonic(), metadata)
        return metadata

    async def key_for(
        self, client: AsyncOAuth2Client, jwks_uri: str, algorithm: str, kid: str | None
    ) -> Mapping[str, Any]:
        """Return the key of a token. An unknown one is looked for anew, once a minute at most.

        Raises `ProviderRefusedError`.
        """
        known = self._keys
        if known is not None and self._age(known[0]) < FRESH_SECONDS:
            key = find_key(known[1], algorithm, kid)
            if key is not None:
                return key
            if self._age(self._searched_at) < SEARCH_SECONDS:
                raise ProviderRefusedError("unknown_key")
            self._searched_at = self._monotonic()
        document = await read_json(client, jwks_uri)
        keys = document.get("keys")
        if not isinstance(keys, list) or len(keys) > MAX_KEYS:
            raise ProviderRefusedError("keys")
        self._keys = (self._monotonic(), keys)
        key = find_key(keys, algorithm, kid)
        if key is None:
            raise ProviderRefusedError("unknown_key")
        return key

    def _age(self, at: float) -> float:
        return self._monotonic() - at
