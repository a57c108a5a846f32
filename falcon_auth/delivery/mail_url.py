"""Parse and check MAIL_URL, MAIL_FROM and PUBLIC_URL at start-up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

if TYPE_CHECKING:
    from email.headerregistry import Address

Security = Literal["none", "starttls", "tls"]

_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}
# An address of the usual form (RFC 5322, `dot-atom`), alone or after a name without punctuation.
_ADDRESS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-][A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]*@[A-Za-z0-9.-]+"
_SENDER = re.compile(rf"""([^<>"@,;:\\]*[^<>"@,;:\\ ]) <({_ADDRESS})>|({_ADDRESS})""", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?", re.ASCII)


class MailServer(NamedTuple):
    """The mail server to submit to. Its repr shows no password."""

    security: Security
    host: str
    port: int
    user: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"MailServer({self.security}, port {self.port})"


def parse_mail_url(url: str) -> MailServer | Path:
    """Return the server, or the folder of a `file://` URL.

    Raises `ValueError`, whose message does not quote the URL.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
            raise ValueError("a folder is written file:///absolute/path")
        return Path(unquote(parts.path))
    if parts.scheme not in _SCHEMES:
        raise ValueError("must begin with smtp://, smtp+starttls://, smtps:// or file:///")
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "is written scheme://user:password@host:port, where credentials and port are optional"
        )
    if (parts.username is None) != (parts.password is None):
        raise ValueError("needs both a user and a password, or neither")
    security, port = _SCHEMES[parts.scheme]
    return MailServer(security, parts.hostname, _port(parts) or port, *_credentials(parts))


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise ValueError("has a port that is not a number up to 65535") from None


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    if parts.username is None or parts.password is None:
        return None, None
    user, password = unquote(parts.username), unquote(parts.password)
    if not (user + password).isascii():  # smtplib could not send them.
        raise ValueError("needs a user and password in ASCII; SMTP cannot send other characters")
    return user, password


def parse_sender(text: str) -> Address:
    """Read MAIL_FROM: `auth@example.com` or `Example <auth@example.com>`. Raises `ValueError`."""
    # Imported here, because every start reads the settings, but few set a sender.
    from email.headerregistry import Address  # noqa: PLC0415

    found = _SENDER.fullmatch(text)
    if found is None or not text.isprintable():
        raise ValueError("must be an ASCII address, or be written: Name <address>")
    name, bracketed, bare = found.groups()
    local_part, _, domain = (bracketed or bare).partition("@")
    return Address(name or "", local_part, domain)


def check_public_url(url: str) -> str:
    """Return PUBLIC_URL without a slash at its end. Raises `ValueError` unless it is a base URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must begin with https:// or http://, and a host")
    if parts.username is not None or parts.query or parts.fragment or not url.isascii():
        raise ValueError("must not have a user, a query, a fragment or non-ASCII characters")
    if not _ORIGIN_PATH.fullmatch(parts.path):
        raise ValueError("may have a path of letters, digits and hyphens only")
    _port(parts)
    return url.rstrip("/")


def origin_of(public_url: str) -> str:
    """Return the origin of a checked PUBLIC_URL as browsers write it (HTML standard, 7.1.1)."""
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    is_default = parts.port in {None, 0, _DEFAULT_PORTS[parts.scheme]}
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{parts.port}"
