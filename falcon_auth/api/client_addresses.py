"""The client's address: that of the connection, or the one that a trusted proxy reports.

Each proxy appends the address that it saw to the right end of `X-Forwarded-For`; anything further
left may be forged. `Forwarded` (RFC 7239) is not read: behind a proxy that sets one of the two
headers and passes on the other, clients could choose their address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from falcon import Request

from falcon_auth.models import Client
from falcon_auth.networks import Network, hold_everyone, unmap_network

MAX_USER_AGENT_LENGTH = 256  # Real ones are shorter; stored with each session.
MAX_HOP_LENGTH = 80  # An IPv6 address is 45 characters at most; brackets, zone and port are more.
MAX_HOPS = 20  # Elements of X-Forwarded-For that are read: chains of proxies are short.
MAX_FORWARDED_LENGTH = MAX_HOPS * (MAX_HOP_LENGTH + 2)  # In characters, with ", " between hops.

# As far as browsers send it (RFC 5646, 2.1): a language, a script or a region.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}(?=[\s,;]|\Z)", re.ASCII)
# The forms in which proxies write an address: with or without a port or a zone, IPv6 also in
# brackets.
_HOP = re.compile(
    r"""
      ([0-9.]+) (?: : [0-9]{1,5} )?
    | \[ ([0-9a-f:.]+) (?: % [^\]%]+ )? \] (?: : [0-9]{1,5} )?
    | ([0-9a-f:.]+) (?: % [^\]%]+ )?
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


class ProxyTrust:
    """Trusts `X-Forwarded-For` and `X-Forwarded-Proto` from the listed proxies only.

    Safe to call from any thread.
    """

    def __init__(self, proxies: Sequence[Network]) -> None:
        """Raise `ValueError` for networks that include everyone: anyone could forge addresses."""
        if hold_everyone(proxies):
            message = "the trusted proxies include everyone"
            raise ValueError(message)
        self._proxies = tuple(unmap_network(network) for network in proxies)
        self._is_proxy = lru_cache(1024)(self._in_networks)

    def client_of(self, req: Request) -> Client:
        """Return the nearest address that is not a trusted proxy, and the user agent."""
        user_agent = (req.user_agent or "")[:MAX_USER_AGENT_LENGTH]
        return _client(self._address_of(req), user_agent, _first_language(req))

    def is_https(self, req: Request) -> bool:
        """Return whether the client's side of the request is encrypted."""
        if self._proxies and self._is_proxy(_peer(req)):
            forwarded = req.get_header("X-Forwarded-Proto")
            if forwarded is not None:
                return forwarded.rpartition(",")[2].strip().lower() == "https"
        return req.scheme == "https"

    def _address_of(self, req: Request) -> str | None:
        """Walk from the connection's peer to the left, for as long as proxies are trusted.

        Returns None if the last element is not an address, such as "unknown" from a trusted proxy.
        After `MAX_HOPS` proxies, the last one that was read counts as the client.
        """
        address = _peer(req)
        if not self._proxies:
            return address
        for hop in _nearest_hops(req.get_header("X-Forwarded-For") or ""):
            if not self._is_proxy(address):
                break
            if hop := hop.strip():  # Empty list elements are ignored (RFC 9110, 5.6.1.2).
                address = parse_hop(hop)
        return address

    def _in_networks(self, address: str | None) -> bool:
        if address is None:
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._proxies)


def _nearest_hops(forwarded: str) -> list[str]:
    """Return the last hops of a list, the nearest first; elements further left are not read."""
    near = forwarded[-MAX_FORWARDED_LENGTH:]
    hops = near.rsplit(",", MAX_HOPS)
    if len(hops) > MAX_HOPS or len(near) < len(forwarded):
        del hops[0]  # The rest of the list, or of a hop.
    hops.reverse()
    return hops


def parse_hop(text: str) -> str | None:
    """Return an address in canonical form, without port and zone; None if it is not an address.

    An IPv4-mapped IPv6 address is the IPv4 address.
    """
    return _parse(text) if len(text) <= MAX_HOP_LENGTH else None  # Bounds the cache.


@lru_cache(4096)  # A client sends the same values with each request.
def _client(ip: str | None, user_agent: str, language: str | None) -> Client:
    printable = "".join(filter(str.isprintable, user_agent)) or None
    return Client(ip=ip, user_agent=printable, language=language)


def _first_language(req: Request) -> str | None:
    """Return the first tag of Accept-Language, which in browsers is the preferred language."""
    match = _LANGUAGE.match(req.get_header("Accept-Language") or "")
    return None if match is None else match[0]


def _peer(req: Request) -> str | None:
    return parse_hop(req.env.get("REMOTE_ADDR", ""))


@lru_cache(4096)
def _parse(text: str) -> str | None:
    match = _HOP.fullmatch(text)
    if match is None:
        return None
    try:
        address = ipaddress.ip_address(match[match.lastindex or 0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
