"""The URLs that a log-in by a provider may return to: RETURN_URLS, compared after parsing.

An open redirect would hand the one-time code to whoever wrote the link (RFC 9700, 4.11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self
from urllib.parse import SplitResult, unquote, urlsplit

from falcon_auth.errors import InvalidBodyError, Violation
from falcon_auth.networks import is_loopback

MAX_LENGTH = 1024  # It travels in a cookie, of which browsers keep 4,096 bytes.
RULE = "Must be below one of this service's RETURN_URLS, without a fragment."
# What RFC 3986 has in a URL, less `#` and the `@` of user names; browsers read `\` as `/`.
_CHARACTERS = re.compile(r"https?://[A-Za-z0-9._~:\[\]-]+(/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class _Place(NamedTuple):
    """A parsed URL: where it leads, and the segments of its path."""

    scheme: str
    host: str
    port: int
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReturnUrls:
    """The prefixes that are allowed, of which the first is the default; there is one at least."""

    prefixes: tuple[str, ...]
    _places: tuple[_Place, ...]

    @classmethod
    def of(cls, prefixes: Sequence[str]) -> Self:
        """Return them. Raises `ValueError` for one that is not a URL."""
        return cls(tuple(prefixes), tuple(_parse(prefix) for prefix in prefixes))

    def check(self, return_to: str | None) -> str:
        """Return the URL to return to, the default for None. Raises `InvalidBodyError`."""
        if return_to is None:
            return self.prefixes[0]
        try:
            place = _parse(return_to)
        except ValueError:
            place = None
        if place is None or not any(_is_below(place, prefix) for prefix in self._places):
            raise InvalidBodyError([Violation("/return_to", InvalidBodyError.code, RULE)])
        return return_to


def check_return_url(url: str) -> str:
    """Return a prefix as it may stand in RETURN_URLS. Raises `ValueError`, which quotes nothing."""
    place = _parse(url)
    if urlsplit(url).query:
        raise ValueError("each is scheme://host[:port]/path, without query and fragment")
    if place.scheme != "https" and not is_loopback(place.host):
        raise ValueError("each begins with https://, or with http:// on this machine")
    return url


def _parse(url: str) -> _Place:
    if len(url) > MAX_LENGTH or not _CHARACTERS.fullmatch(url):
        raise ValueError("each is scheme://host[:port]/path, in the characters of RFC 3986")
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("each has a host")
    return _Place(parts.scheme, parts.hostname, _port_of(parts), _segments(parts.path))


def _port_of(parts: SplitResult) -> int:
    return _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port


def _segments(path: str) -> tuple[str, ...]:
    """Return the segments, without empty ones at the end. Raises `ValueError` for `..` and such."""
    segments = path.strip("/").split("/") if path.strip("/") else []
    for segment in segments:
        plain = unquote(segment)
        if plain in {"", ".", ".."} or re.search(r"[/\\%\0-\x1f]", plain):
            raise ValueError("each has a path without empty, dot or encoded segments")
    return tuple(segments)


def _is_below(place: _Place, prefix: _Place) -> bool:
    same_place = place[:3] == prefix[:3]
    return same_place and place.segments[: len(prefix.segments)] == prefix.segments
