"""Verification of a compact JWS (RFC 7515, 7.1): form, header, key and signature in one place.

PyJWT's algorithms check signatures. Form and header are checked here, since PyJWT's own codec is
lenient where this service is not: duplicate members, padding, unknown headers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from falcon_auth.errors import InvalidTokenError
from falcon_auth.keys.jws import SEGMENT, parse_segment
from falcon_auth.keys.ring import Key, KeySource

ACCESS = "access"  # The one type of token that the ring's own keys sign.
MAX_TOKEN_LENGTH = 4096
_COMPACT = re.compile(rf"(({SEGMENT})\.({SEGMENT}))\.({SEGMENT})", re.ASCII)
_HEADER_MEMBERS = {"alg", "typ", "kid"}


def verify_compact(token: str, keys: KeySource, token_type: str) -> dict[str, Any]:
    """Return the claims of a token of one type after checking its form, header, key and signature.

    Of the claims only `type` is checked; the caller checks the others, including the times. Raises
    `InvalidTokenError`, and whatever *keys* raises if it is unavailable.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidTokenError("too_long")
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        raise InvalidTokenError("form")
    signed, header, payload, signature = parts.groups()
    key = _key_of(_read_header(header), keys, token_type)
    if not key.verifies(signed, signature):
        raise InvalidTokenError("signature")
    claims = _members(payload)
    if claims.get("type") != token_type:
        raise InvalidTokenError("type")
    return claims


class _Header(NamedTuple):
    kid: str
    typ: object
    alg: object


@lru_cache(maxsize=64)  # All tokens of a key have the same header.
def _read_header(segment: str) -> _Header:
    members = _members(segment)
    if set(members) != _HEADER_MEMBERS:
        raise InvalidTokenError("header")
    kid = members["kid"]
    if not isinstance(kid, str):
        raise InvalidTokenError("kid")
    return _Header(kid, members["typ"], members["alg"])


def _key_of(header: _Header, keys: KeySource, token_type: str) -> Key:
    key = keys.key_for(header.kid)
    if token_type != ACCESS:
        derived = key.derived(token_type)
        if derived is None:
            raise InvalidTokenError("public_key")
        key = derived
    if header.typ != key.typ:
        raise InvalidTokenError("type")
    # The key determines the algorithm, never the header (RFC 8725, 3.1).
    if header.alg != key.algorithm:
        raise InvalidTokenError("header")
    return key


def _members(segment: str) -> dict[str, Any]:
    try:
        return parse_segment(segment)
    except ValueError:
        raise InvalidTokenError("form") from None
