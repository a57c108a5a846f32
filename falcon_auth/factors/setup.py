"""Checks and interprets the settings of second factors: encryption keys, relying party."""

# ruff: noqa: D102 - the protocol's members are described where `Settings` has them
from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from falcon_auth.delivery.mail_url import origin_of
from falcon_auth.factors.passkey_data import RelyingParty

if TYPE_CHECKING:
    from pydantic import SecretStr

DEFAULT_NAME = "Falcon Auth"  # The service's name in apps and browsers.
MAKE_ONE = "`python -m falcon_auth secret --encryption` makes one"
# 32 bytes in base64url, with or without padding: one spelling for each key.
_KEY = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]=?", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}\.|-?[a-z0-9])*", re.ASCII)
_LOCAL = re.compile(r"localhost|.+\.localhost", re.ASCII)


class FactorSettings(Protocol):
    """The settings that this module reads."""

    @property
    def environment(self) -> str: ...
    @property
    def encryption_keys(self) -> tuple[SecretStr, ...]: ...
    @property
    def public_url(self) -> str | None: ...
    @property
    def public_base(self) -> str: ...
    @property
    def webauthn_rp_id(self) -> str | None: ...
    @property
    def webauthn_origins(self) -> tuple[str, ...] | None: ...
    @property
    def webauthn_rp_name(self) -> str | None: ...


def are_on(settings: FactorSettings) -> bool:
    """Return whether the service has second factors: in production, only with ENCRYPTION_KEYS."""
    return bool(settings.encryption_keys) or settings.environment != "production"


def relying_party(settings: FactorSettings) -> RelyingParty:
    """Return the relying party of passkeys; the settings must have been checked."""
    url = settings.public_base
    origins = settings.webauthn_origins or (origin_of(url),)
    rp_id = settings.webauthn_rp_id or urlsplit(url).hostname or ""
    return RelyingParty(rp_id, settings.webauthn_rp_name or DEFAULT_NAME, origins)


def check_factors(settings: FactorSettings) -> list[str]:
    """Return the faults in the settings of factors, one line each.

    If none of these settings is set, as in development, which has factors anyway, PUBLIC_URL may be
    one for which browsers do not support passkeys.
    """
    asked = settings.encryption_keys or settings.webauthn_rp_id or settings.webauthn_origins
    has_to_fit = asked and are_on(settings)
    return [*_key_faults(settings), *(_passkey_faults(settings) if has_to_fit else ())]


def is_key(text: str) -> bool:
    """Return whether *text* is a key in the format of ENCRYPTION_KEYS."""
    return _KEY.fullmatch(text) is not None


def _key_faults(settings: FactorSettings) -> Iterator[str]:
    keys = [key.get_secret_value() for key in settings.encryption_keys]
    for number, key in enumerate(keys, start=1):
        if not is_key(key):
            yield f"ENCRYPTION_KEYS: number {number} is not 32 bytes in base64url; {MAKE_ONE}"
    if len({key.rstrip("=") for key in keys}) < len(keys):
        yield "ENCRYPTION_KEYS: contains a key twice"


def _passkey_faults(settings: FactorSettings) -> Iterator[str]:
    asked = settings.public_url or settings.webauthn_origins
    if settings.environment == "production" and not asked:
        yield (
            "PUBLIC_URL: is needed in production if ENCRYPTION_KEYS is set: passkeys are bound "
            "to its host name"
        )
        return
    party = relying_party(settings)
    if _is_address(party.id) or not _DOMAIN.fullmatch(party.id):
        source = "WEBAUTHN_RP_ID" if settings.webauthn_rp_id else "PUBLIC_URL"
        yield f"{source}: passkeys are bound to a domain in lower case, without scheme and port"
        return
    for number, origin in enumerate(party.origins, start=1):
        parts = urlsplit(origin)
        host = parts.hostname or ""
        source = "PUBLIC_URL" if settings.webauthn_origins is None else "WEBAUTHN_ORIGINS"
        where = source if settings.webauthn_origins is None else f"{source}: number {number}"
        if host != party.id and not host.endswith(f".{party.id}"):
            yield f"{where}: its host is neither WEBAUTHN_RP_ID nor a subdomain of it"
        if parts.scheme != "https" and not _LOCAL.fullmatch(host):
            yield f"{where}: browsers support passkeys only on https, and on http://localhost"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
