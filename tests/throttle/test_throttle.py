"""The throttle: guesses are slow, bursts gain nothing, victims are not locked out cheaply."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from conftest import EMAIL, outcome

from falcon_auth.errors import RateLimitedError, StoreUnavailableError
from falcon_auth.stores.memory.counters import MemoryCounters
from falcon_auth.throttle.attempts import CountingThrottle
from falcon_auth.throttle.limits import Limiter

GUESS = "wrong password"


def guess(client, times=1, address="192.0.2.1", email=EMAIL):
    return [outcome(client.login(email, password=GUESS, remote_addr=address)) for _ in range(times)]


def test_the_sixth_guess_is_refused_and_so_is_the_right_password(client, user, clock):
    assert guess(client, 5) == [(401, "INVALID_CREDENTIALS")] * 5

    right = client.login(remote_addr="192.0.2.1")

    assert outcome(right) == (429, "RATE_LIMITED")
    assert right.headers["Retry-After"] == "60"
    assert guess(client) == [(429, "RATE_LIMITED")]
    assert client.login(remote_addr="192.0.2.2").status_code == 200
    clock.advance(seconds=45)
    assert client.login(remote_addr="192.0.2.1").headers["Retry-After"] == "15"
    clock.advance(seconds=15)
    assert client.login(remote_addr="192.0.2.1").status_code == 200


def test_a_refused_attempt_does_not_prolong_the_wait(client, user, clock):
    guess(client, 5)
    clock.advance(seconds=59)
    guess(client, 10)
    clock.advance(seconds=1)

    assert client.login(remote_addr="192.0.2.1").status_code == 200


def test_a_success_forgets_the_failures(client, user):
    for _ in range(3):
        guess(client, 4)
        assert client.login(remote_addr="192.0.2.1").status_code == 200


def test_unknown_accounts_are_limited_alike(client):
    assert guess(client, 6, email="nobody@example.com") == [(401, "INVALID_CREDENTIALS")] * 5 + [
        (429, "RATE_LIMITED")
    ]


def test_spelling_an_address_otherwise_gains_nothing(client, user):
    for email in (
        "ADA@example.com",
        "Ada@EXAMPLE.com",
        EMAIL,
        "aDa@example.com",
        "adA@example.com",
    ):
        guess(client, email=email)

    assert guess(client) == [(429, "RATE_LIMITED")]


def test_one_client_is_limited_across_accounts(client):
    answers = [guess(client, email=f"user{number}@example.com")[0] for number in range(51)]

    assert answers == [(401, "INVALID_CREDENTIALS")] * 50 + [(429, "RATE_LIMITED")]
    assert guess(client, email=EMAIL, address="192.0.2.2") == [(401, "INVALID_CREDENTIALS")]


def test_one_account_is_limited_across_clients(client, user):
    for number in range(100):
        assert guess(client, address=f"198.51.100.{number}") == [(401, "INVALID_CREDENTIALS")]

    assert outcome(client.login(remote_addr="203.0.113.1")) == (429, "RATE_LIMITED")


def test_a_home_line_is_one_client_whichever_of_its_networks_it_guesses_from(client, user):
    """Twenty /64s of one /56, once counted as twenty clients, locked the owner out everywhere."""
    statuses = [
        guess(client, address=f"2001:db8:0:{subnet:x}::{number + 1}")[0][0]
        for number in range(5)
        for subnet in range(20)
    ]

    assert (statuses.count(401), statuses.count(429)) == (5, 95)
    assert client.login(remote_addr="203.0.113.1").status_code == 200


def test_an_owner_is_not_locked_out_of_where_they_registered_or_logged_in(client):
    """A hundred guesses from a hundred networks refuse whoever comes from anywhere else."""
    client.register(remote_addr="192.0.2.1")
    client.login(remote_addr="192.0.2.2")
    for number in range(100):
        guess(client, address=f"198.51.100.{number}")

    assert client.login(remote_addr="192.0.2.1").status_code == 200
    assert client.login(remote_addr="192.0.2.2").status_code == 200
    assert outcome(client.login(remote_addr="192.0.2.3")) == (429, "RATE_LIMITED")


def test_a_burst_at_once_gains_nothing(make_client):
    """All of them pass the first check; the count after the hash decides."""
    client = make_client(hash_workers=2)
    client.register()
    barrier = Barrier(20)

    def attempt(_number):
        barrier.wait()
        return guess(client, email=EMAIL)[0][0]

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(attempt, range(20)))

    assert (statuses.count(401), statuses.count(429)) == (5, 15)
    assert outcome(client.login(remote_addr="192.0.2.1")) == (429, "RATE_LIMITED")


def test_many_right_log_ins_at_once_are_not_refused(make_client):
    client = make_client(hash_workers=2)
    client.register()
    barrier = Barrier(30)

    def attempt(_number):
        barrier.wait()
        return client.login().status_code

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(attempt, range(30))) == {200}


def test_registrations_are_limited_by_client(make_client, clock):
    client = make_client(rate_limit_registrations=2)
    outcomes = [
        outcome(client.register(f"user{number}@example.com", remote_addr="192.0.2.1"))[0]
        for number in range(3)
    ]

    assert outcomes == [201, 201, 429]
    assert client.register("user3@example.com", remote_addr="192.0.2.2").status_code == 201
    clock.advance(seconds=60)
    assert client.register("user2@example.com", remote_addr="192.0.2.1").status_code == 201


def test_rate_limit_enabled_false_lifts_every_limit(make_client):
    client = make_client(rate_limit_enabled=False, rate_limit_registrations=1)
    client.register()

    assert client.register("b@example.com").status_code == 201
    assert guess(client, 60) == [(401, "INVALID_CREDENTIALS")] * 60
    assert client.login().status_code == 200


def test_by_default_a_client_registers_thirty_times_a_minute(client):
    """One client's registrations alone must not fill the hashing queue."""
    statuses = [
        client.register(f"user{number}@example.com", remote_addr="192.0.2.1").status_code
        for number in range(31)
    ]

    assert statuses == [201] * 30 + [429]


# --- The policy, on counters of every kind

HOME, WORK, ELSEWHERE = "192.0.2.1", "192.0.2.2", "203.0.113.1"
DAY = 24 * 3600


def throttle_on(counters, clock, *, failures=5, registrations=30):
    return CountingThrottle(
        counters,
        Limiter(counters, clock=clock),
        failures=failures,
        registrations=registrations,
        window_seconds=60,
        clock=clock,
    )


@pytest.fixture
def throttle(counters, clock):
    """A throttle on counters that other processes share."""
    return throttle_on(counters[0], clock)


@pytest.fixture
def in_memory(clock):
    """A throttle whose windows end by the clock of the test alone."""
    return throttle_on(MemoryCounters(clock=clock), clock)


def guess_from_everywhere(throttle, account="ada"):
    for number in range(100):
        throttle.count_failure(account, f"198.51.100.{number}")


def is_refused(throttle, account, ip):
    try:
        throttle.check_login(account, ip)
    except RateLimitedError:
        return True
    return False


def test_a_known_client_is_spared_the_limit_of_the_account(throttle):
    throttle.count_success("ada", HOME)
    guess_from_everywhere(throttle)

    assert is_refused(throttle, "ada", ELSEWHERE)
    assert not is_refused(throttle, "ada", HOME)
    throttle.count_success("ada", HOME)
    throttle.count_failure("ada", HOME)
    throttle.count_success("ada", HOME)  # With something to clear, too.
    assert not is_refused(throttle, "ada", HOME)


def test_another_process_knows_the_client_as_well(counters, clock):
    throttle_on(counters[0], clock).remember_client("ada", HOME)
    guess_from_everywhere(throttle_on(counters[0], clock))

    assert not is_refused(throttle_on(counters[1], clock), "ada", HOME)


def test_a_known_client_may_guess_no_more_than_any_other(throttle):
    """An attacker in the owner's network: the limits of pair and client hold as ever."""
    throttle.count_success("ada", HOME)
    guess_from_everywhere(throttle)

    for _ in range(5):
        throttle.count_failure("ada", HOME)

    assert is_refused(throttle, "ada", HOME)
    with pytest.raises(RateLimitedError):
        throttle.count_failure("ada", HOME)
    for number in range(44):
        throttle.count_failure(f"user{number}", HOME)
    assert is_refused(throttle, "somebody", HOME)


def test_guesses_of_a_known_client_count_for_everybody_else(throttle):
    throttle.count_success("ada", HOME)
    for _ in range(5):
        throttle.count_failure("ada", HOME)
    for number in range(95):
        throttle.count_failure("ada", f"198.51.100.{number}")

    assert is_refused(throttle, "ada", ELSEWHERE)
    with pytest.raises(RateLimitedError):
        throttle.count_failure("ada", ELSEWHERE)


def test_a_client_is_known_to_the_account_that_logged_in_from_it_alone(throttle):
    throttle.count_success("eve", HOME)
    guess_from_everywhere(throttle)

    assert is_refused(throttle, "ada", HOME)


def test_clients_without_an_address_are_never_known(throttle):
    """They are all counted as one client: each would be spared for the log-in of another."""
    throttle.count_success("ada", None)
    guess_from_everywhere(throttle)

    assert is_refused(throttle, "ada", None)


def test_a_success_beyond_a_limit_makes_no_client_known(throttle):
    """It was one of a burst of guesses, and is refused like the others."""
    for _ in range(5):
        throttle.count_failure("ada", HOME)
    with pytest.raises(RateLimitedError):
        throttle.count_success("ada", HOME)
    for number in range(95):
        throttle.count_failure("ada", f"198.51.100.{number}")

    assert is_refused(throttle, "ada", HOME)


def test_a_client_stays_known_for_thirty_days(in_memory, clock):
    in_memory.count_success("ada", HOME)
    clock.advance(days=30, seconds=-1)
    guess_from_everywhere(in_memory)
    assert not is_refused(in_memory, "ada", HOME)

    clock.advance(seconds=1)

    assert is_refused(in_memory, "ada", HOME)


def test_a_client_that_comes_again_stays_known_from_then_on(in_memory, clock):
    in_memory.count_success("ada", HOME)
    clock.advance(days=29)
    in_memory.count_success("ada", HOME)
    clock.advance(days=29)
    guess_from_everywhere(in_memory)

    assert not is_refused(in_memory, "ada", HOME)


def test_an_account_makes_at_most_twenty_clients_known_a_day(throttle, counters):
    """Whoever has one password must not fill the counters; coming again needs no place."""
    clients = [f"192.0.2.{number}" for number in range(21)]
    for each in clients:
        throttle.count_success("ada", each)
    guess_from_everywhere(throttle)

    assert [is_refused(throttle, "ada", each) for each in clients] == [False] * 20 + [True]


class GuessInBetween:
    """Counters with a wrong guess that is counted just after what was read."""

    def __init__(self, counters, guess):
        self._counters = counters
        self._guess = guess

    def __getattr__(self, name):
        return getattr(self._counters, name)

    def read(self, keys):
        windows = self._counters.read(keys)
        self._guess()
        return windows


def test_a_limit_that_is_reached_while_a_success_is_counted_is_not_forgotten(counters, clock):
    """Four failures, a right password, and the fifth failure between its look and its clearing."""
    other = throttle_on(counters[1], clock)
    late = throttle_on(GuessInBetween(counters[0], lambda: other.count_failure("ada", HOME)), clock)
    for _ in range(4):
        other.count_failure("ada", HOME)

    with pytest.raises(RateLimitedError):
        late.count_success("ada", HOME)

    assert is_refused(other, "ada", HOME)


class UnwritableMarks(MemoryCounters):
    """Counters that cannot store which client is known."""

    def restart(self, key, seconds):
        raise StoreUnavailableError


def test_a_log_in_succeeds_even_if_the_client_cannot_be_remembered(clock):
    """The user is stored by then: a 503 would say that nothing was changed."""
    throttle = throttle_on(UnwritableMarks(clock=clock), clock)

    throttle.remember_client("ada", HOME)
    throttle.count_success("ada", HOME)

    guess_from_everywhere(throttle)
    assert is_refused(throttle, "ada", HOME)
