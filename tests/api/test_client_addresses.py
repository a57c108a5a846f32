"""Who a request comes from: forged headers are ignored, trusted proxies are believed."""

import ipaddress

import pytest
from conftest import settings_for
from falcon import Request, testing
from hypothesis import given
from hypothesis import strategies as st
from live import send_head, serving
from pydantic import ValidationError

from falcon_auth.api.client_addresses import (
    MAX_FORWARDED_LENGTH,
    MAX_HOP_LENGTH,
    MAX_HOPS,
    ProxyTrust,
    parse_hop,
)

PROXY, OUTER_PROXY, CLIENT, FORGED = "10.0.0.1", "192.0.2.8", "203.0.113.7", "198.51.100.66"
PROXIES = "10.0.0.0/24, 192.0.2.8, 2001:db8:f::/48"


def request_from(peer, forwarded=None, **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if forwarded is not None:
        fields["X-Forwarded-For"] = forwarded
    return Request(testing.create_environ(remote_addr=peer, headers=fields))


def trusting(proxies=PROXIES):
    return ProxyTrust(settings_for(trusted_proxies=proxies).trusted_proxies)


def address(peer, forwarded=None, proxies=PROXIES):
    return trusting(proxies).client_of(request_from(peer, forwarded)).ip


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param(CLIENT, None, CLIENT, id="direct"),
        pytest.param(CLIENT, FORGED, CLIENT, id="direct, forged"),
        pytest.param(CLIENT, PROXY, CLIENT, id="direct, posing as a proxy"),
        pytest.param(PROXY, CLIENT, CLIENT, id="one proxy"),
        pytest.param(PROXY, f"{FORGED}, {CLIENT}", CLIENT, id="one proxy, forged"),
        pytest.param(PROXY, f"{FORGED},{PROXY},{CLIENT}", CLIENT, id="forged with a proxy in it"),
        pytest.param(PROXY, f"{CLIENT}, {OUTER_PROXY}", CLIENT, id="two proxies"),
        pytest.param(PROXY, f"{FORGED}, {CLIENT}, {OUTER_PROXY}", CLIENT, id="two, forged"),
        pytest.param(PROXY, f"{CLIENT}, 10.0.0.9, 10.0.0.200", CLIENT, id="a network of proxies"),
        pytest.param(PROXY, f"{FORGED}, 10.0.1.0", "10.0.1.0", id="next to the network"),
        pytest.param(PROXY, None, PROXY, id="the proxy itself, a probe"),
        pytest.param(PROXY, "", PROXY, id="empty"),
        pytest.param(PROXY, " , ,", PROXY, id="empty elements only"),
        pytest.param(PROXY, f"{FORGED}, , {CLIENT} , ,", CLIENT, id="empty elements"),
        pytest.param(PROXY, "10.0.0.2, 10.0.0.3", "10.0.0.2", id="from inside"),
        pytest.param(PROXY, f"{CLIENT}, unknown", None, id="the proxy does not know"),
        pytest.param(PROXY, f"{FORGED}, _hidden", None, id="obfuscated"),
        pytest.param(PROXY, f"{FORGED}, 10.0.0.01", None, id="leading zero"),
        pytest.param(PROXY, f"{CLIENT}; {FORGED}", None, id="another separator"),
        pytest.param(PROXY, f"{CLIENT}:4711", CLIENT, id="IPv4 with port"),
        pytest.param(PROXY, f"{CLIENT}, 10.0.0.9:80", CLIENT, id="a proxy with port"),
        pytest.param(PROXY, "2001:DB8:0::7", "2001:db8::7", id="IPv6"),
        pytest.param(PROXY, "[2001:db8::7]", "2001:db8::7", id="IPv6 in brackets"),
        pytest.param(PROXY, "[2001:db8::7]:4711", "2001:db8::7", id="IPv6 with port"),
        pytest.param(PROXY, "fe80::7%eth0", "fe80::7", id="IPv6 with zone"),
        pytest.param(PROXY, "[fe80::7%25eth0]:80", "fe80::7", id="IPv6 with zone as in URLs"),
        pytest.param(PROXY, f"::ffff:{CLIENT}", CLIENT, id="IPv4-mapped"),
        pytest.param(PROXY, f"[::ffff:{CLIENT}]:80", CLIENT, id="IPv4-mapped with port"),
        pytest.param(f"::ffff:{PROXY}", CLIENT, CLIENT, id="a proxy IPv4-mapped"),
        pytest.param("2001:db8:f::1", CLIENT, CLIENT, id="a proxy with IPv6"),
        pytest.param("2001:db8:f::1%eth0", CLIENT, CLIENT, id="a proxy with a zone"),
        pytest.param("2001:db8:e::1", FORGED, "2001:db8:e::1", id="no proxy, with IPv6"),
        pytest.param("", FORGED, None, id="a Unix socket"),
        pytest.param("localhost", FORGED, None, id="a peer that is no address"),
    ],
)
def test_the_nearest_hop_that_is_not_a_trusted_proxy_is_the_client_address(
    peer, forwarded, expected
):
    assert address(peer, forwarded) == expected


def test_without_trusted_proxies_nothing_is_believed():
    request = request_from(PROXY, CLIENT, X_Forwarded_Proto="https")
    trust = ProxyTrust(())

    assert trust.client_of(request).ip == PROXY
    assert not trust.is_https(request)


@pytest.mark.parametrize("header", ["Forwarded", "X-Real-IP", "True-Client-IP", "Client-IP", "Via"])
def test_no_other_header_is_believed(header):
    request = Request(testing.create_environ(remote_addr=PROXY, headers={header: f"for={FORGED}"}))

    assert trusting().client_of(request).ip == PROXY


@pytest.mark.parametrize("proxies", ["::ffff:10.0.0.0/120", "::ffff:10.0.0.1"])
def test_a_proxy_may_be_listed_as_ipv4_mapped(proxies):
    assert address(PROXY, CLIENT, proxies) == CLIENT
    assert address(CLIENT, FORGED, proxies) == CLIENT


@pytest.mark.parametrize(
    "proxies", ["0.0.0.0/0", "::/0", "::ffff:0:0/96", "10.0.0.1/8", "proxy.internal"]
)
def test_trusted_proxies_that_include_everyone_or_are_invalid_are_refused(proxies):
    """With everyone trusted, the leftmost hop would count, which any client can write."""
    with pytest.raises(ValidationError, match="trusted_proxies"):
        settings_for(trusted_proxies=proxies)


def test_a_guarded_application_refuses_to_trust_everyone_too():
    """It is given networks as values, which no settings have checked."""
    with pytest.raises(ValueError, match="include everyone"):
        ProxyTrust([ipaddress.ip_network("::ffff:0:0/96")])


def test_no_more_hops_of_x_forwarded_for_are_read_than_a_chain_of_proxies_has():
    """Of 16 KiB of commas, once 8 ms of work, the rest is not even split."""
    trusted = ["10.0.0.2"] * (MAX_HOPS - 1)

    assert address(PROXY, ",".join([CLIENT, *trusted])) == CLIENT
    assert address(PROXY, ",".join([CLIENT, *trusted, "10.0.0.3"])) == "10.0.0.2"
    assert address(PROXY, "," * 16_384) == PROXY
    assert address(PROXY, "," * 16_384 + CLIENT) == CLIENT


def test_what_is_read_of_x_forwarded_for_is_bounded_in_length_and_begins_with_a_whole_hop():
    """The rest of a hop that was cut could be another address: 8.51.100.6 of 198.51.100.6."""
    padding = " " * (MAX_FORWARDED_LENGTH - len("8.51.100.6,10.0.0.2"))

    assert address(PROXY, f"198.51.100.6,{padding}10.0.0.2") == "10.0.0.2"
    assert address(PROXY, f"8.51.100.6,{padding}10.0.0.2") == "8.51.100.6"
    assert address(PROXY, f"{FORGED}, {'x' * MAX_FORWARDED_LENGTH}, {CLIENT}") == CLIENT


@pytest.mark.parametrize(
    ("peer", "proto", "expected"),
    [
        (PROXY, "https", True),
        (PROXY, " HTTPS ", True),
        (PROXY, "http, https", True),
        (PROXY, "https, http", False),  # The last word is the trusted one.
        (PROXY, "http", False),
        (PROXY, "", False),
        (PROXY, None, False),
        (CLIENT, "https", False),
        ("unknown", "https", False),
    ],
)
def test_the_scheme_is_believed_of_trusted_proxies_only(peer, proto, expected):
    headers = {} if proto is None else {"X_Forwarded_Proto": proto}

    assert trusting().is_https(request_from(peer, **headers)) is expected


def test_the_user_agent_is_cut_and_cannot_forge_lines():
    agent = "Mozilla\u009b31m\u0085" + "x" * 300

    shown = trusting().client_of(request_from(CLIENT, User_Agent=agent)).user_agent

    assert shown.startswith("Mozilla31mx")
    assert len(shown) <= 256
    assert shown.isprintable()


# --- Properties

v4 = st.ip_addresses(v=4).map(str)
v6 = st.ip_addresses(v=6).map(str)
networks = settings_for(trusted_proxies=PROXIES).trusted_proxies
outsiders = st.one_of(v4, v6).filter(
    lambda text: not any(ipaddress.ip_address(parse_hop(text)) in each for each in networks)
)
insiders = st.sampled_from(["10.0.0.1", "10.0.0.77", "192.0.2.8", "2001:db8:f:1::2"])
written = st.sampled_from(["{}", " {} ", "\t{}"])


@given(
    forged=st.lists(st.one_of(v4, v6, insiders, st.text(st.characters(max_codepoint=255)))),
    client=outsiders,
    proxies=st.lists(insiders, min_size=1, max_size=4),
    form=written,
)
def test_whatever_a_client_sends_ahead_it_is_counted_as_itself(forged, client, proxies, form):
    """The last trusted proxy saw the client; the others saw the proxy before them."""
    *seen, peer = proxies
    hops = [*forged, *(form.format(hop) for hop in [client, *seen])]

    assert address(peer, ",".join(hops)) == parse_hop(client)


@given(peer=outsiders, forwarded=st.text(st.characters(max_codepoint=255)))
def test_a_client_that_connects_by_itself_is_counted_by_its_connection(peer, forwarded):
    assert address(peer, forwarded) == parse_hop(peer)


@given(st.text(max_size=200))
def test_parsing_gives_a_canonical_address_or_none(text):
    parsed = parse_hop(text)

    assert parsed is None or parse_hop(parsed) == parsed == str(ipaddress.ip_address(parsed))


@given(v6, st.integers(0, 65535), st.sampled_from(["", "%eth0", "%1"]))
def test_port_brackets_and_zone_do_not_change_an_address(text, port, zone):
    bare = parse_hop(text)

    assert bare == parse_hop(f"[{text}]") == parse_hop(f"[{text}{zone}]:{port}")
    assert bare == parse_hop(text + zone)


def test_a_hop_of_any_length_is_refused_unparsed():
    assert parse_hop("1" * (MAX_HOP_LENGTH + 1)) is None
    assert parse_hop("fe80::1%" + "x" * MAX_HOP_LENGTH) is None


# --- What is counted


def test_attempts_are_counted_by_the_hop_that_a_trusted_proxy_saw(make_client):
    """A client that forges a new hop with each guess runs into the limit all the same."""
    client = make_client(trusted_proxies="127.0.0.1", rate_limit_requests=2)
    client.register()

    def guess(number, seen):
        headers = {"X-Forwarded-For": f"198.51.100.{number}, {seen}"}
        return client.login(
            password="a wrong guess", headers=headers, remote_addr="127.0.0.1"
        ).status_code

    assert [guess(number, CLIENT) for number in range(4)] == [401, 401, 429, 429]
    assert guess(9, "203.0.113.8") == 401  # Its neighbour may still try.


def test_clients_without_an_address_share_one_limit(make_client):
    """Garbage must not be a way to a fresh count."""
    client = make_client(trusted_proxies="127.0.0.1", rate_limit_requests=2)
    client.register()

    statuses = [
        client.login(
            password="a wrong guess",
            headers={"X-Forwarded-For": garbage},
            remote_addr="127.0.0.1",
        ).status_code
        for garbage in ("unknown", "_x1", "::g", "300.1.1.1")
    ]

    assert statuses == [401, 401, 429, 429]


# --- Through the server


class WhoAmI:
    """Records who asked."""

    def __init__(self):
        self.seen = []

    def process_resource(self, req, resp, resource, params):
        self.seen.append(req.context.client.ip)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"X-Forwarded-For: {FORGED}", f"X-Forwarded-For: {CLIENT}"], CLIENT),
        ([f"X-Forwarded-For: {FORGED}", f"X-Forwarded-For: {CLIENT}, 127.0.0.1"], CLIENT),
        ([f"X-Forwarded-For: {CLIENT}", f"X_Forwarded_For: {FORGED}"], CLIENT),
        ([f"X_Forwarded_For: {FORGED}"], "127.0.0.1"),
        ([f"x-forwarded-for:\t{FORGED} ,{CLIENT}\t"], CLIENT),
    ],
)
def test_header_lines_reach_the_service_in_order_and_unmixed(make_client, lines, expected):
    """Two lines are one list (RFC 9110, 5.3); an underscore does not make a header of a proxy."""
    client, who = make_client(trusted_proxies="127.0.0.1"), WhoAmI()
    client.app.add_middleware(who)

    with serving(client.app) as port:
        answer = send_head(port, *lines)

    assert answer.startswith("HTTP/1.1 200")
    assert who.seen == [expected]


def test_the_address_is_kept_with_the_session(make_client):
    client = make_client(trusted_proxies="127.0.0.1")
    client.register()

    tokens = client.login(
        headers={"X-Forwarded-For": f"{FORGED}, [2001:db8::7%eth0]:4711"}, remote_addr="127.0.0.1"
    )

    (current,) = [session for session in client.sessions(tokens) if session["current"]]
    assert current["ip"] == "2001:db8::7"
