"""Which addresses count as one client: all that one subscriber can use."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from falcon_auth.networks import NAT64

IPV4_BITS = 0xFFFF_FFFF
# The usual allocation of one home (RFC 6177, 2; RIPE-690, 4.2). A /64 would make it 256 clients.
IPV6_PREFIX = 56
UNKNOWN_CLIENT = "unknown"  # The bucket of all clients that have no address.


@lru_cache(4096)
def client_bucket(ip: str | None) -> str:
    """Return the bucket of a client address, always the same for one subscriber.

    It is the IPv4 address, also of an IPv4-mapped or NAT64 address; the first address of the IPv6
    /56; or `UNKNOWN_CLIENT` for None and for a text that is not an address.
    """
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return UNKNOWN_CLIENT
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped or address in NAT64:
        return str(ipaddress.IPv4Address(int(address) & IPV4_BITS))
    network = ipaddress.IPv6Network((int(address), IPV6_PREFIX), strict=False)
    return str(network.network_address)
