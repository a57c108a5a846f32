"""Who sends a request: the connection's address, or what a trusted proxy says of it.

`X-Forwarded-For` is a list that each proxy appends to, whom it saw, on the right; what stands
further left anyone may have written. `Forwarded` (RFC 7239) is not read: a proxy that sets
one header and passes on a client's other one would let clients choose their address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from falcon import Request

from falcon_auth.models import Client

MAX_USER_AGENT_LENGTH = 256  # Real ones are shorter; it is kept with each session.
MAX_HOP_LENGTH = 80  # An IPv6 address is 45 characters at most; brackets, zone and port are more.

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# How proxies write an address: bare or with a port, IPv6 with a port in brackets, with a zone.
_HOP = re.compile(
    r"""
      ([0-9.]+) (?: : [0-9]{1,5} )?
    | \[ ([0-9a-f:.]+) (?: % [^\]%]+ )? \] (?: : [0-9]{1,5} )?
    | ([0-9a-f:.]+) (?: % [^\]%]+ )?
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_MAPPED_PREFIX = 96  # Bits before the IPv4 address in an IPv4-mapped one (RFC 4291, 2.5.5.2).


class ProxyTrust:
    """Believes `X-Forwarded-For` and `X-Forwarded-Proto` of the listed proxies, of nobody else.

    Safe to call from any thread.
    """

    def __init__(self, proxies: Sequence[Network]) -> None:
        self._proxies = tuple(_unmapped(network) for network in proxies)
        self._is_proxy = lru_cache(1024)(self._in_networks)

    def client_of(self, req: Request) -> Client:
        """Return the nearest address that is no trusted proxy, and the user agent."""
        return _client(self._address_of(req), (req.user_agent or "")[:MAX_USER_AGENT_LENGTH])

    def is_https(self, req: Request) -> bool:
        """Return whether the client's side of the request is encrypted."""
        if self._proxies and self._is_proxy(_peer(req)):
            forwarded = req.get_header("X-Forwarded-Proto")
            if forwarded is not None:
                return forwarded.rpartition(",")[2].strip().lower() == "https"
        return req.scheme == "https"

    def _address_of(self, req: Request) -> str | None:
        """Walk from the connection's end to the left, for as long as proxies are trusted.

        None where the last word is no address: a trusted proxy that says "unknown" means it.
        """
        address = _peer(req)
        if not self._proxies:
            return address
        left = req.get_header("X-Forwarded-For") or ""
        while left and self._is_proxy(address):
            left, _, hop = left.rpartition(",")
            if hop := hop.strip():  # Empty elements of a list mean nothing (RFC 9110, 5.6.1.2).
                address = parse_hop(hop)
        return address

    def _in_networks(self, address: str | None) -> bool:
        if address is None:
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._proxies)


def parse_hop(text: str) -> str | None:
    """Return an address in its canonical form, without port and zone; None for what is none.

    An IPv4-mapped IPv6 address is the IPv4 address.
    """
    return _parse(text) if len(text) <= MAX_HOP_LENGTH else None  # What is cached is bounded.


@lru_cache(4096)  # A client sends the same at each request.
def _client(ip: str | None, user_agent: str) -> Client:
    return Client(ip=ip, user_agent="".join(filter(str.isprintable, user_agent)) or None)


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


def _unmapped(network: Network) -> Network:
    """Return an IPv4-mapped network as the IPv4 network, which is how addresses are compared."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_PREFIX:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))
