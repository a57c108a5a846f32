"""The circuit breaker: after five outages in a row nobody waits, and one at a time looks again."""

# ruff: noqa: SLF001 - where a library takes no clock, a test moves its time by hand

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from falcon_auth.errors import DuplicateEmailError, StoreUnavailableError
from falcon_auth.stores.breaker import Breaker, OutageError


@pytest.fixture
def breaker():
    return Breaker("database", threshold=3, timeout=30)


def fail(breaker, error=OutageError):
    with pytest.raises(Exception) as raised, breaker.guard():  # noqa: PT011 - the caller looks
        raise error
    return raised.value


def wait_over(breaker):
    """Have the time-out be over, without waiting for it."""
    breaker._circuit._opened -= 31


def is_let_through(breaker):
    try:
        with breaker.guard():
            return True
    except StoreUnavailableError:
        return False


def test_an_outage_is_told_as_an_unavailable_store(breaker):
    error = fail(breaker)

    assert type(error) is StoreUnavailableError
    assert breaker.state == "closed"


def test_it_opens_after_failures_in_a_row_and_says_so(breaker, logged):
    for _ in range(3):
        assert is_let_through(breaker)
        fail(breaker)

    assert breaker.state == "closed"  # Each success in between began the row anew.
    fail(breaker)
    fail(breaker)
    assert breaker.state == "open"
    assert not is_let_through(breaker)
    assert logged.events("outage")[-1]["breaker"] == "open"


def test_the_answer_tells_how_long_it_stays_open(breaker):
    for _ in range(3):
        fail(breaker)

    assert 28 <= fail(breaker).retry_after <= 30


def test_a_business_outcome_is_no_failure(breaker):
    for _ in range(9):
        assert isinstance(fail(breaker, DuplicateEmailError), DuplicateEmailError)
        assert isinstance(fail(breaker, StoreUnavailableError), StoreUnavailableError)

    assert breaker.state == "closed"


def test_a_success_after_the_time_out_closes_it(breaker, logged):
    for _ in range(3):
        fail(breaker)
    wait_over(breaker)
    assert breaker.state == "half_open"

    assert is_let_through(breaker)

    assert breaker.state == "closed"
    assert logged.events("outage_over")[0]["of"] == "database"


def test_a_failure_after_the_time_out_opens_it_again(breaker):
    for _ in range(3):
        fail(breaker)
    wait_over(breaker)

    fail(breaker)

    assert breaker.state == "open"
    assert not is_let_through(breaker)


def test_one_alone_looks_whether_it_is_over(breaker):
    for _ in range(3):
        fail(breaker)
    wait_over(breaker)
    entered, leave = threading.Event(), threading.Event()

    def look():
        with breaker.guard():
            entered.set()
            leave.wait(5)

    looking = threading.Thread(target=look)
    looking.start()
    entered.wait(5)
    with ThreadPoolExecutor(8) as pool:
        others = list(pool.map(lambda _: is_let_through(breaker), range(8)))
    leave.set()
    looking.join()

    assert others == [False] * 8
    assert is_let_through(breaker)


def test_guarded_calls_run_side_by_side(breaker):
    """A breaker that holds a lock while it calls would put all queries in a row."""
    together = threading.Barrier(4)

    def call(_):
        with breaker.guard():
            together.wait(5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(4)))


def test_nothing_of_a_failed_call_is_kept(breaker):
    """An exception holds its frames, and these a query's values: hashes, addresses."""
    fail(breaker)

    assert breaker._circuit.last_failure.__traceback__ is None


def test_a_long_outage_counts_on_from_its_last_look(breaker):
    for _ in range(3):
        fail(breaker)
    wait_over(breaker)
    before = time.monotonic()
    fail(breaker)

    assert breaker._circuit._opened >= before
