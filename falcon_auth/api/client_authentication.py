"""How services authenticate: bearer token, HTTP Basic, or form parameters (RFC 6749, 2.3.1)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus

from falcon import Request

from falcon_auth.errors import InvalidClientError


class Credential(NamedTuple):
    """The presented credential. A bearer token has no name."""

    secret: str
    name: str | None = None


def authorization_credential(req: Request) -> Credential | None:
    """Return the credential of the Authorization header; None where there is no header.

    Raises `InvalidClientError` if it is neither Bearer nor Basic, or is malformed.
    """
    if req.auth is None:
        return None
    scheme, _, value = req.auth.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer" and value:
        return Credential(value)
    if scheme.lower() == "basic":
        return _basic(value)
    raise InvalidClientError


def form_credential(form: Mapping[str, str], credential: Credential | None) -> Credential:
    """Return the one credential of a request: *credential* of its header, or that of its form.

    Raises `InvalidClientError` if there is none, or if there are two (RFC 6749, 2.3).
    """
    secret, name = form.get("client_secret"), form.get("client_id")
    if credential is None and secret and name:
        return Credential(secret, name)
    if credential is None or secret:
        raise InvalidClientError
    return credential


def _basic(value: str) -> Credential:
    """Read name and secret, each of which is form-encoded first (RFC 6749, 2.3.1)."""
    try:
        text = base64.b64decode(value, validate=True).decode()
        name, colon, secret = text.partition(":")
        if not colon:
            raise InvalidClientError
        return Credential(
            unquote_plus(secret, errors="strict"), unquote_plus(name, errors="strict")
        )
    except ValueError:
        raise InvalidClientError from None
