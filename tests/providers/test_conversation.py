"""Providers that are slow, away or asked too often; documents that change meanwhile."""

import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier, Event

import pytest
from lying_provider import CLIENT_ID, CLIENT_SECRET, METADATA, Said, public_jwk
from processes import PATIENCE

from falcon_auth.breaker import Breaker
from falcon_auth.errors import ProviderRefusedError, ProviderUnavailableError
from falcon_auth.providers.conversation import (
    CONVERSATION_SECONDS,
    SEATS,
    SEATS_OF_ONE,
    Credentials,
    Line,
    Seats,
    read_json,
)
from falcon_auth.providers.documents import (
    FRESH_SECONDS,
    MAX_KEYS,
    SEARCH_SECONDS,
    STALE_SECONDS,
    Documents,
)

THRESHOLD, TIMEOUT = 3, 60


class Ticks:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def make_line(ticks):
    def make(seats=None, seconds=CONVERSATION_SECONDS):
        credentials = Credentials(
            client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET, method="client_secret_post"
        )
        breaker = Breaker("idp", threshold=THRESHOLD, timeout=TIMEOUT, clock=ticks)
        trust = ssl.create_default_context()
        return Line(credentials, breaker, seats or Seats.of_all(), trust, seconds=seconds)

    return make


def asking(url):
    return lambda client: read_json(client, url)


@pytest.fixture
def documents(idp, ticks):
    return Documents(idp.url, idp.url, insecure=True, monotonic=ticks)


def test_of_one_provider_six_threads_wait_and_of_all_of_them_eight(make_line):
    """Whoever comes then is answered at once, instead of waiting as well."""
    seats = Seats.of_all()
    slow, other, third = (make_line(seats, PATIENCE) for _ in range(3))
    waiting, over = Barrier(SEATS + 1), Event()

    def hold(line):
        async def wait(_client):
            waiting.wait(PATIENCE)
            over.wait(PATIENCE)

        line.hold(wait)

    lines = [slow] * SEATS_OF_ONE + [other] * (SEATS - SEATS_OF_ONE)
    with ThreadPoolExecutor(SEATS) as pool, ExitStack() as at_the_end:
        at_the_end.callback(over.set)
        held = [pool.submit(hold, line) for line in lines]
        waiting.wait(PATIENCE)
        for line in (slow, third):
            with pytest.raises(ProviderUnavailableError):
                line.hold(asking("http://127.0.0.1:9/never asked"))
        over.set()
        assert [each.result() for each in held] == [None] * SEATS
    assert slow.breaker.state == third.breaker.state == "closed"


def test_a_provider_that_drips_is_cut_off(make_line, idp):
    """Each byte comes in time, but the whole answer never does."""
    idp.says["/jwks"] = Said(body=b"{", drips=True)

    with pytest.raises(ProviderUnavailableError):
        make_line(seconds=0.3).hold(asking(f"{idp.url}/jwks"))

    assert [path for path, _ in idp.asked] == ["/jwks"]


def test_after_failures_in_a_row_a_provider_is_left_alone_and_then_tried_again(
    make_line, idp, ticks
):
    line = make_line()
    idp.says["/jwks"] = Said(503)
    for _ in range(THRESHOLD):
        with pytest.raises(ProviderUnavailableError):
            line.hold(asking(f"{idp.url}/jwks"))
    asked = len(idp.asked)

    with pytest.raises(ProviderUnavailableError) as caught:
        line.hold(asking(f"{idp.url}/jwks"))
    assert (len(idp.asked), caught.value.retry_after) == (asked, TIMEOUT)

    ticks.now += TIMEOUT
    del idp.says["/jwks"]
    assert line.hold(asking(f"{idp.url}/jwks"))["keys"]
    assert line.breaker.state == "closed"


def test_a_wrong_answer_is_no_outage(make_line, idp):
    line = make_line()
    idp.says["/jwks"] = Said(404)

    for _ in range(THRESHOLD + 1):
        with pytest.raises(ProviderRefusedError):
            line.hold(asking(f"{idp.url}/jwks"))

    assert line.breaker.state == "closed"


def test_metadata_is_kept_for_an_hour_and_for_a_day_while_the_provider_is_away(
    make_line, idp, documents, ticks
):
    line = make_line()
    first = line.hold(documents.metadata)
    assert documents.fresh_metadata == line.hold(documents.metadata) == first
    assert len(idp.asked) == 1

    idp.says[METADATA] = Said(503)
    ticks.now = STALE_SECONDS
    assert documents.fresh_metadata is None
    assert line.hold(documents.metadata) == first

    ticks.now = STALE_SECONDS + 1
    with pytest.raises(ProviderUnavailableError):
        line.hold(documents.metadata)


def test_metadata_that_became_wrong_is_not_replaced_by_what_was_right(
    make_line, idp, documents, ticks
):
    line = make_line()
    line.hold(documents.metadata)
    idp.metadata = {"token_endpoint": "http://192.0.2.1/token"}
    ticks.now = FRESH_SECONDS

    with pytest.raises(ProviderRefusedError):
        line.hold(documents.metadata)


@pytest.mark.parametrize("endpoint", [None, 7, "", "ftp://127.0.0.1", "https://", "http://evil"])
def test_endpoints_are_https_but_for_this_machine(make_line, idp, documents, endpoint):
    idp.metadata = {"jwks_uri": endpoint}

    with pytest.raises(ProviderRefusedError):
        make_line().hold(documents.metadata)


def test_an_unknown_key_is_looked_for_once_a_minute_at_most(make_line, idp, documents, ticks):
    line = make_line()

    def key(kid):
        found = line.hold(lambda client: documents.key_for(client, f"{idp.url}/jwks", "RS256", kid))
        return found["kid"]

    assert key("key-RS256") == "key-RS256"
    idp.keys = [public_jwk("RS256", kid="new")]
    assert key("new") == "new"  # A rotation is seen at once;
    for _ in range(3):  # keys that nobody has are not asked for again and again.
        with pytest.raises(ProviderRefusedError):
            key("unknown")
    assert len(idp.asked) == 2

    ticks.now += SEARCH_SECONDS
    idp.keys = [public_jwk("RS256", kid="newer")]
    assert key("newer") == "newer"


@pytest.mark.parametrize("keys", [None, {}, [{}] * (MAX_KEYS + 1), ["key"]], ids=str)
def test_a_key_set_that_is_none(make_line, idp, documents, keys):
    idp.keys = keys

    with pytest.raises(ProviderRefusedError):
        make_line().hold(
            lambda client: documents.key_for(client, f"{idp.url}/jwks", "RS256", "kid")
        )
