"""PROVIDERS_FILE: a JSON list, held against `providers_file.json`, with presets filled in.

A fault names the place in the file and the broken rule, never a value: some are secrets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

from falcon_auth.networks import is_loopback
from falcon_auth.strict_json import parse_json

SCHEMA = Path(__file__).with_name("providers_file.json")
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"  # The tenant of personal accounts at Microsoft.
SEVERAL_TENANTS = "{tenantid}"  # As Microsoft writes its issuer for several of them.

Preset = Literal["apple", "github", "gitlab", "google", "microsoft"]
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "apple": {"title": "Apple", "issuer": "https://appleid.apple.com"},
    "github": {
        "title": "GitHub",
        "issuer": "https://github.com",
        "scopes": ["read:user", "user:email"],
    },
    "gitlab": {"title": "GitLab", "issuer": "https://gitlab.com"},
    "google": {"title": "Google", "issuer": "https://accounts.google.com"},
    "microsoft": {"title": "Microsoft"},
}


class ProvidersFileError(ValueError):
    """The file cannot be used: one line a fault, without values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEntry:
    """One provider of the file, with everything that a preset says."""

    name: str
    title: str
    issuer: str
    # Where discovery begins; Microsoft's issuer for several tenants is not an address.
    discovery: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = ("openid", "email")
    client_authentication: str = "client_secret_post"
    preset: Preset | None = None
    team_id: str = ""
    key_id: str = ""
    private_key_file: str = ""


def read_providers(
    data: bytes, environment: Mapping[str, str], *, insecure: bool
) -> list[ProviderEntry]:
    """Return the providers of the file's content, in its order.

    Secrets that are not there come from PROVIDER_<NAME>_CLIENT_SECRET of *environment*. *insecure*:
    issuers on this machine may be http. Raises `ProvidersFileError`.
    """
    try:
        content = parse_json(data)
    except ValueError:
        raise ProvidersFileError("is not JSON") from None
    validator = Draft202012Validator(json.loads(SCHEMA.read_bytes()))
    faults = [
        f"{error.json_path}: breaks the rule {error.validator} of providers_file.json"
        for error in validator.iter_errors(content)
    ]
    if faults:
        raise ProvidersFileError("\n".join(faults))
    entries = [_complete(each, environment) for each in content]
    faults = [fault for each in entries for fault in _faults_of(each, insecure=insecure)]
    names = [each.name for each in entries]
    faults += [f"{name}: is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    if faults:
        raise ProvidersFileError("\n".join(faults))
    return entries


def secret_variable(name: str) -> str:
    """Return the environment variable of a provider's secret."""
    return f"PROVIDER_{name.upper().replace('-', '_')}_CLIENT_SECRET"


def _complete(given: Mapping[str, Any], environment: Mapping[str, str]) -> ProviderEntry:
    members = {**PRESETS.get(given.get("preset", ""), {}), **given}
    members.setdefault("client_secret", environment.get(secret_variable(given["name"]), ""))
    if "scopes" in members:
        members["scopes"] = tuple(members["scopes"])
    tenant = members.pop("tenant", None)
    if tenant is not None:
        tenant = CONSUMERS if tenant == "consumers" else tenant
        members["discovery"] = f"https://login.microsoftonline.com/{tenant}/v2.0"
        several = tenant in {"common", "organizations"}
        members["issuer"] = members["discovery"].replace(
            tenant, SEVERAL_TENANTS if several else tenant
        )
    members.setdefault("discovery", members["issuer"])
    return ProviderEntry(**members)


def _faults_of(entry: ProviderEntry, *, insecure: bool) -> Sequence[str]:
    faults = []
    if not entry.client_secret and entry.preset != "apple":
        faults.append(f"{entry.name}: has no client_secret; set {secret_variable(entry.name)}")
    if entry.preset != "github" and "openid" not in entry.scopes:
        faults.append(f"{entry.name}: its scopes lack openid")
    parts = urlsplit(entry.issuer)
    local = insecure and parts.scheme == "http" and is_loopback(parts.hostname)
    if parts.scheme != "https" and not local:
        faults.append(f"{entry.name}: its issuer begins with https://")
    return faults
