"""ID tokens (OpenID Connect Core, 2 and 3.1.3.7): which key, which algorithm, for whom, when."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwk import Key, import_key
from joserfc.jws import JWSRegistry

from falcon_auth.errors import ProviderRefusedError
from falcon_auth.providers.provider import MAX_SUBJECT_LENGTH
from falcon_auth.strict_json import parse_json

# What a token may be signed with, whatever the provider's documents or the token's header say:
# neither `none` nor HS256, whose key could be the public one (RFC 8725, 3.1 and 3.2).
KEY_TYPES = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),  # The same, by its name of RFC 9864.
}
MAX_TOKEN_LENGTH = 16 * 1024
MIN_RSA_BITS = 2048  # RFC 7518, 3.3.
LEEWAY_SECONDS = 60  # Between the provider's clock and ours.
MAX_AGE_SECONDS = 600  # A token of this log-in was issued a moment ago.
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)


class _Registry(JWSRegistry):
    """joserfc's algorithms, without its warning that `EdDSA` has a new name."""

    def get_alg(self, name: str) -> Any:
        if name not in KEY_TYPES:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


_REGISTRY = _Registry(algorithms=list(KEY_TYPES), strict_check_header=False)


def read_header(token: object) -> tuple[str, str | None]:
    """Return the algorithm and the key id of a token, whose signature is not checked yet.

    Raises `ProviderRefusedError` unless it is a signed token whose algorithm is accepted here.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
        raise ProviderRefusedError("id_token_missing")
    parts = _COMPACT.fullmatch(token)
    if parts is None:  # An unsigned one has no third part.
        raise ProviderRefusedError("id_token_form")
    text = parts[1]
    header = parse_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in KEY_TYPES or "crit" in header or not isinstance(kid, str | None):
        raise ProviderRefusedError("id_token_header")
    return algorithm, kid


def find_key(keys: Sequence[Any], algorithm: str, kid: str | None) -> Mapping[str, Any] | None:
    """Return the one key of a set that a token can be signed with; None where there is none.

    Without a `kid`, only where a single key fits. Keys that do not fit are not even parsed.
    """
    kind, curve = KEY_TYPES[algorithm]
    names = {"EdDSA", "Ed25519"} if kind == "OKP" else {algorithm}
    fitting = [
        key
        for key in keys
        if isinstance(key, dict)
        and key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) in names
        and (kid is None or key.get("kid") == kid)
    ]
    return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None


def verify(
    token: str,
    key: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    now: float,
) -> dict[str, Any]:
    """Return the claims of a token that is right in every point.

    *issuer* may have `{tenantid}` in it, which the claim `tid` then stands for. Raises
    `ProviderRefusedError`, or one of the libraries' errors, which `Line.hold` translates.
    """
    members = {name: key[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in key}
    decoded = jwt.decode(token, _strong(import_key(members)), registry=_REGISTRY)
    claims: dict[str, Any] = decoded.claims
    expected = _issuer_for(issuer, claims)
    CodeIDToken(
        claims,
        decoded.header,
        options={
            "iss": {"essential": True, "value": expected},
            "aud": {"essential": True, "value": client_id},
        },
        params={"nonce": nonce, "client_id": client_id, "access_token": access_token},
    ).validate(now=int(now), leeway=LEEWAY_SECONDS)
    _check_the_rest(claims, now)
    return claims


def _strong(key: Key) -> Key:
    bits = getattr(key.raw_value, "key_size", 0)
    if key.key_type == "RSA" and bits < MIN_RSA_BITS:
        raise ProviderRefusedError("weak_key")
    return key


def _issuer_for(issuer: str, claims: Mapping[str, Any]) -> str:
    """Return the issuer that a token has to name.

    Microsoft has one for each tenant, and publishes a template of them; `tid` is in the token that
    the key has signed.
    """
    tenant = claims.get("tid")
    if "{tenantid}" not in issuer:
        return issuer
    if not isinstance(tenant, str) or not re.fullmatch(r"[0-9a-f-]{36}", tenant):
        raise ProviderRefusedError("tid")
    return issuer.replace("{tenantid}", tenant)


def _check_the_rest(claims: Mapping[str, Any], now: float) -> None:
    """Check what Authlib leaves out."""
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH:
        raise ProviderRefusedError("sub")
    for name in ("iat", "exp"):
        if isinstance(claims[name], bool) or not isinstance(claims[name], int | float):
            raise ProviderRefusedError(name)
    if abs(now - claims["iat"]) > MAX_AGE_SECONDS:
        raise ProviderRefusedError("iat")
