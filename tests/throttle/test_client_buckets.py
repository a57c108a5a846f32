"""What client addresses are counted as: one subscriber, one bucket."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.throttle.client_buckets import client_bucket


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:200::1", "2001:db8:1:2ff:ffff:ffff:ffff:ffff"),
        ("203.0.113.7", "::ffff:203.0.113.7"),
        ("203.0.113.7", "64:ff9b::203.0.113.7"),
        (None, "unknown"),
        (None, ""),
        (None, "999.1.1.1"),
        ("fe80::1", "fe80::2%eth0"),
    ],
)
def test_addresses_that_share_a_bucket(one, other):
    assert client_bucket(one) == client_bucket(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:200::1", "2001:db8:1:300::1"),
        ("203.0.113.7", "203.0.113.8"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.8"),
        ("64:ff9b::203.0.113.7", "64:ff9b::203.0.113.8"),  # Else all of IPv4 were one client.
        ("0.0.0.0", None),  # noqa: S104 - an address, nothing listens there
        ("::", None),
    ],
)
def test_addresses_that_do_not_share_a_bucket(one, other):
    assert client_bucket(one) != client_bucket(other)


@given(st.ip_addresses(v=6), st.integers(0, 2**72 - 1))
def test_a_subscriber_cannot_leave_its_bucket(known, suffix):
    """One home has up to a /56 to choose from (RFC 6177); counting per /64 ignores that."""
    if known.ipv4_mapped or known in ipaddress.ip_network("64:ff9b::/96"):
        return
    moved = ipaddress.IPv6Address(int(known) >> 72 << 72 | suffix)
    if moved.ipv4_mapped or moved in ipaddress.ip_network("64:ff9b::/96"):
        return

    assert client_bucket(str(known)) == client_bucket(str(moved))
