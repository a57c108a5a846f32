"""The circuit breaker: after failures in a row nobody waits, and one call at a time tries again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from falcon_auth.breaker import Breaker, CircuitOpenError, NotReachedError, OutageError
from falcon_auth.errors import DuplicateEmailError

THRESHOLD, TIMEOUT = 3, 30


@pytest.fixture
def breaker(clock):
    return Breaker("database", threshold=THRESHOLD, timeout=TIMEOUT, clock=clock)


@pytest.fixture
def opened(breaker):
    for _ in range(THRESHOLD):
        fail(breaker)
    return breaker


def fail(breaker, error=OutageError):
    with pytest.raises(error), breaker.attempt():
        raise error


def is_let_through(breaker):
    try:
        with breaker.attempt():
            return True
    except CircuitOpenError:
        return False


def end(call, error=None):
    """End a call that `begin` began: with an error, or well."""
    if error is None:
        call.close()
        return
    with pytest.raises(error), call:
        raise error


def begin(breaker):
    call = ExitStack()
    call.enter_context(breaker.attempt())
    return call


def test_it_opens_after_failures_in_a_row_and_logs_each(breaker, logged):
    for _ in range(THRESHOLD - 1):
        fail(breaker)
    assert is_let_through(breaker)  # A success: the row begins anew.
    for _ in range(THRESHOLD - 1):
        fail(breaker)
    assert breaker.state == "closed"

    fail(breaker)

    assert breaker.state == "open"
    assert not is_let_through(breaker)
    assert [line["breaker"] for line in logged.events("outage")] == ["closed"] * 4 + ["open"]


def test_an_open_circuit_reports_the_seconds_until_the_next_trial(opened, clock):
    clock.advance(seconds=9.5)

    with pytest.raises(CircuitOpenError) as refused, opened.attempt():
        pytest.fail("the call was made")

    assert refused.value.retry_after == 21


def test_a_domain_error_is_not_a_failure_of_the_circuit(breaker):
    for _ in range(9):
        fail(breaker, DuplicateEmailError)

    assert breaker.state == "closed"


@pytest.mark.parametrize("outcome", [None, DuplicateEmailError])
def test_a_trial_that_is_answered_closes_the_circuit(opened, clock, logged, outcome):
    clock.advance(seconds=TIMEOUT)
    assert opened.state == "half_open"

    end(begin(opened), outcome)

    assert opened.state == "closed"
    assert [line["of"] for line in logged.events("outage_over")] == ["database"]


def test_a_trial_that_fails_opens_the_circuit_for_another_time_out(opened, clock):
    clock.advance(seconds=TIMEOUT)

    fail(opened)

    clock.advance(seconds=TIMEOUT - 1)
    assert not is_let_through(opened)
    clock.advance(seconds=1)
    assert is_let_through(opened)


def test_one_call_alone_is_the_trial(opened, clock):
    clock.advance(seconds=TIMEOUT)
    together = threading.Barrier(8)

    def try_at_once(_):
        together.wait(5)
        try:
            with opened.attempt():
                together.wait(5)  # Until the others were refused.
                return True
        except CircuitOpenError:
            together.wait(5)
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(try_at_once, range(8))) == [False] * 7 + [True]

    assert opened.state == "closed"


def test_a_call_that_was_not_reached_is_neither_failure_nor_success(breaker):
    """Such as one that found no free connection in the pool."""
    for _ in range(THRESHOLD - 1):
        fail(breaker)
    for _ in range(THRESHOLD):
        fail(breaker, NotReachedError)
    assert breaker.state == "closed"

    fail(breaker)

    assert breaker.state == "open"


def test_a_trial_that_was_not_reached_leaves_the_trial_to_the_next_call(opened, clock):
    clock.advance(seconds=TIMEOUT)

    fail(opened, NotReachedError)

    assert opened.state == "half_open"
    assert is_let_through(opened)
    assert opened.state == "closed"


@pytest.mark.parametrize("outcome", [None, DuplicateEmailError, OutageError, NotReachedError])
def test_calls_begun_before_it_opened_change_nothing(breaker, clock, logged, outcome):
    late = [begin(breaker) for _ in range(5)]
    for _ in range(THRESHOLD):
        fail(breaker)
    clock.advance(seconds=10)
    end(late[0], outcome)
    assert breaker.state == "open"

    clock.advance(seconds=20)
    trial = begin(breaker)
    end(late[1], outcome)
    assert not is_let_through(breaker)  # The trial goes on, alone.
    assert not logged.events("outage_over")
    end(trial)
    for call in late[2:]:
        end(call, outcome)
    assert breaker.state == "closed"


def test_calls_run_side_by_side(breaker):
    """A breaker that holds a lock while it calls would put all queries in a row."""
    together = threading.Barrier(4)

    def call(_):
        with breaker.attempt():
            together.wait(5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(4)))
