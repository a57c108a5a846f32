"""Which trace a request belongs to (W3C Trace Context): read strictly, and logged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.api.trace_context import parse_traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret
PARENT = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    "header",
    [
        GOOD,
        f"00-{TRACE}-{PARENT}-00",
        f"00-{TRACE}-{PARENT}-ff",
        f"cc-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01-what-the-future-holds",
    ],
)
def test_a_traceparent_names_its_trace(header):
    assert parse_traceparent(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        "",
        TRACE,
        GOOD.upper(),
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD},{GOOD}",  # Sent twice.
        f"{GOOD}-more",  # Not in version 00.
        f"cc-{TRACE}-{PARENT}-01x",
        f"ff-{TRACE}-{PARENT}-01",
        f"0-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{TRACE}{PARENT}-01",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE[:-1]}\u0661-{PARENT}-01",  # A digit, but not of ASCII.
        f"00-{TRACE[:-1]}g-{PARENT}-01",
    ],
)
def test_an_invalid_traceparent_has_no_trace_id(header):
    assert parse_traceparent(header) is None


@given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.*"))
def test_only_32_hexadecimal_digits_come_out(header):
    trace = parse_traceparent(header)

    assert trace is None or (len(trace) == 32 and set(trace) <= set("0123456789abcdef"))


def test_the_lines_of_a_request_have_its_trace_id(client, logged):
    client.login(headers={"traceparent": GOOD})

    assert logged.events("login_failed")[0]["trace_id"] == TRACE
    assert logged.events("request")[0]["trace_id"] == TRACE


@pytest.mark.parametrize("headers", [{}, {"traceparent": f"{GOOD}-forged"}])
def test_lines_of_a_request_without_a_good_one_have_none(client, logged, headers):
    client.login(headers={"traceparent": GOOD})
    client.simulate_get("/health", headers=headers)

    assert "trace_id" not in logged.events("request")[-1]
