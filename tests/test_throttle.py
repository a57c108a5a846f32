"""The throttle: guesses are slow, bursts gain nothing, victims are not locked out cheaply."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from conftest import EMAIL, Clock, outcome
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.stores.counters import MemoryCounters
from falcon_auth.throttle import client_bucket

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


def test_one_address_is_limited_across_accounts(client):
    answers = [guess(client, email=f"user{number}@example.com")[0] for number in range(51)]

    assert answers == [(401, "INVALID_CREDENTIALS")] * 50 + [(429, "RATE_LIMITED")]
    assert guess(client, email=EMAIL, address="192.0.2.2") == [(401, "INVALID_CREDENTIALS")]


def test_one_account_is_limited_across_addresses(client, user):
    for number in range(100):
        assert guess(client, address=f"198.51.100.{number}") == [(401, "INVALID_CREDENTIALS")]

    assert outcome(client.login(remote_addr="203.0.113.1")) == (429, "RATE_LIMITED")


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


def test_registrations_are_limited_by_address(make_client, clock):
    client = make_client(rate_limit_registrations=2)
    outcomes = [
        outcome(client.register(f"user{number}@example.com", remote_addr="192.0.2.1"))[0]
        for number in range(3)
    ]

    assert outcomes == [201, 201, 429]
    assert client.register("user3@example.com", remote_addr="192.0.2.2").status_code == 201
    clock.advance(seconds=60)
    assert client.register("user2@example.com", remote_addr="192.0.2.1").status_code == 201


def test_limits_can_be_lifted(make_client):
    client = make_client(rate_limit_enabled=False, rate_limit_registrations=1)
    client.register()

    assert client.register("b@example.com").status_code == 201
    assert guess(client, 60) == [(401, "INVALID_CREDENTIALS")] * 60
    assert client.login().status_code == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        (None, "garbage", True),
    ],
)
def test_clients_are_counted_by_what_a_subscriber_has(one, other, same):
    assert (client_bucket(one) == client_bucket(other)) is same


# --- The counters themselves


def test_counting_is_exact_under_threads():
    counters = MemoryCounters(clock=Clock())
    barrier = Barrier(20)

    def count(_number):
        barrier.wait()
        return [counters.incr("key", 60) for _ in range(50)]

    with ThreadPoolExecutor(20) as pool:
        seen = [each for counts in pool.map(count, range(20)) for each in counts]

    assert sorted(seen) == list(range(1, 1001))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), max_size=200))
def test_counters_are_bounded_and_never_wrong(steps):
    """What is dropped to make room starts again at one; what is kept is exact."""
    clock = Clock()
    counters = MemoryCounters(clock=clock, max_counters=10)
    model = {}
    for key, seconds in steps:
        clock.advance(seconds=seconds)
        count, ends_at = model.get(key, (0, 0))
        count = count + 1 if clock() < ends_at else 1
        if count == 1:
            ends_at = clock() + 60
        counted = counters.incr(f"failures/{key}", 60)
        assert counted in {count, 1}
        model[key] = (counted, ends_at if counted == count else clock() + 60)
    assert counters.reset() <= 10


def test_a_counter_of_the_future_is_not_believed():
    """The clock was put back: nobody waits for it to come round again."""
    clock = Clock()
    counters = MemoryCounters(clock=clock)
    counters.incr("key", 60)
    clock.advance(hours=-2)

    assert counters.get("key") == 0
    assert counters.get_expiry("key") == clock()
    assert counters.incr("key", 60) == 1


def test_counters_can_be_cleared():
    counters = MemoryCounters(clock=Clock())
    counters.incr("a", 60)
    counters.incr("b", 60)

    counters.clear("a")
    counters.clear("unknown")

    assert (counters.get("a"), counters.get("b")) == (0, 1)
    assert counters.check()
    assert counters.reset() == 1
    assert counters.get("b") == 0
    assert counters.base_exceptions == ()


def test_a_flood_of_registrations_forgets_no_failed_log_in():
    """They are counted before they cost anything; a failure has cost a hash."""
    counters = MemoryCounters(clock=Clock(), max_counters=10)
    counters.count(["login-pair/victim"], 60, amount=5)

    for number in range(1_000):
        counters.incr(f"registration/{number}", 60)

    assert counters.get("login-pair/victim") == 5


def test_a_counter_that_was_cleared_leaves_no_ghost_behind():
    clock = Clock()
    counters = MemoryCounters(clock=clock)
    counters.incr("login-pair/ada", 60)
    counters.clear("login-pair/ada")
    clock.advance(seconds=30)
    counters.incr("login-pair/ada", 60)
    clock.advance(seconds=31)

    counters.incr("login-pair/bob", 60)

    assert counters.get("login-pair/ada") == 1
