"""What WEBHOOK_URL and WEBHOOK_SECRET may be."""

from __future__ import annotations

import base64
import binascii
import secrets
from urllib.parse import urlsplit

SECRET_PREFIX = "whsec_"  # noqa: S105 - the specification's, and no secret
SECRET_BYTES = range(24, 65)
NEW_SECRET_BYTES = 32


def make_secret() -> str:
    """Return a new secret, as `parse_secret` takes it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(NEW_SECRET_BYTES)).decode()


def parse_secret(text: str) -> bytes:
    """Return the key of a secret, `whsec_` and 24 to 64 bytes in base64. Raises `ValueError`."""
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ValueError("is not whsec_ and 24 to 64 bytes in base64")
    return key


def check_url(url: str) -> str:
    """Return the address of a receiver as it is. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        raise ValueError("is not the http or https address of a receiver")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a password; the receiver checks signatures")
    return url
