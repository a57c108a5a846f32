"""Segments: the parts of a compact JWS (RFC 7515), base64url of bytes or of a JSON object."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from falcon_auth.strict_json import dump_json, parse_json

# Base64url without padding. The unused bits of the last character must be zero, so that a token has
# exactly one spelling (RFC 4648, 3.5). The first group only speeds up long segments; possessive
# quantifiers rule out backtracking.
SEGMENT = r"(?:[\w-]{32})*+(?:[\w-]{4})*+(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?"


def encode_segment(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_segment(segment: str) -> bytes:
    """Decode base64url without padding; the caller has checked the alphabet."""
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def dump_segment(members: Mapping[str, Any]) -> str:
    """Encode a JSON object, compact."""
    return encode_segment(dump_json(members))


def parse_segment(segment: str) -> dict[str, Any]:
    """Return the members of an encoded JSON object. Raises `ValueError` for anything else."""
    members = parse_json(decode_segment(segment))
    if not isinstance(members, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - one error for every fault
    return members
