"""IP networks; IPv4 networks written as IPv6 are recognised. Opens no socket."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # IPv4-mapped (RFC 4291, 2.5.5.2).
# IPv4 clients in a network without IPv4 (RFC 6052); the last 32 bits are the client's address.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
ALL_IPV4 = ipaddress.IPv4Network("0.0.0.0/0")
# Each of these contains every client of a kind. The second is all publicly routed IPv6 (RFC 4291,
# 2.4).
ALL_CLIENTS_IN_IPV6 = (MAPPED, ipaddress.IPv6Network("2000::/3"), NAT64)


def is_loopback(host: str | None) -> bool:
    """Return whether a URL's host is this machine: `localhost`, or an address of its own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def unmap_network(network: Network) -> Network:
    """Return an IPv4-mapped network as the IPv4 network it stands for, any other unchanged."""
    if not isinstance(network, ipaddress.IPv6Network) or not network.subnet_of(MAPPED):
        return network
    address = int(network.network_address) & int(ALL_IPV4.hostmask)
    return ipaddress.IPv4Network((address, network.prefixlen - MAPPED.prefixlen))


def hold_everyone(networks: Iterable[Network]) -> bool:
    """Return whether the networks, alone or together, contain every client of some kind.

    The kinds are IPv4, however it is written, and the public addresses of IPv6.
    """
    plain = [unmap_network(network) for network in networks]
    ipv4 = [network for network in plain if isinstance(network, ipaddress.IPv4Network)]
    ipv6 = [network for network in plain if isinstance(network, ipaddress.IPv6Network)]
    return ALL_IPV4 in ipaddress.collapse_addresses(ipv4) or any(
        everyone.subnet_of(network)
        for network in ipaddress.collapse_addresses(ipv6)
        for everyone in ALL_CLIENTS_IN_IPV6
    )
