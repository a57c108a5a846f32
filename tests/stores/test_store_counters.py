"""Counters of attempts: in memory, in a database, in Redis; alone and shared."""

# ruff: noqa: SLF001 - where a library takes no clock, a test moves its time by hand

import itertools
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from conftest import EMAIL, PASSWORD, Clock, outcome
from counter_pairs import sql_pair
from databases import REDIS_URL, database_for, race
from processes import eventually
from sqlalchemy import func, select
from stopwatch import timed

from falcon_auth.breaker import Breaker, OutageError
from falcon_auth.stores.memory.counters import MemoryCounters
from falcon_auth.stores.sql.tables import counters as table

WINDOW = 60


def hits(windows):
    return [each.hits for each in windows]


def test_nothing_is_counted_at_first(counters, clock):
    assert counters[0].read(["a", "b"]) == [(0, clock.now), (0, clock.now)]


def test_each_key_is_counted_for_itself_and_for_everyone(counters):
    counters[0].count(["a", "b"], WINDOW)
    counted = counters[1].count(["b", "c"], WINDOW)

    assert hits(counted) == [2, 1]
    assert hits(counters[0].read(["c", "b", "a", "x"])) == [1, 2, 1, 0]


def test_a_window_ends_when_it_was_to_end_at_its_first_hit(counters, clock):
    counters[0].count(["a"], WINDOW)

    (window,) = counters[1].count(["a"], WINDOW)

    assert window.ends_at == pytest.approx(clock.now + WINDOW, abs=0.5)  # Redis's clock runs on.


def test_clearing_forgets_one_counter(counters):
    counters[0].count(["a", "b"], WINDOW)

    standing = counters[1].clear_unless_reached("a", {"a": 2, "b": 2})

    assert hits(standing) == [1, 1]
    assert hits(counters[0].read(["a", "b"])) == [0, 1]


@pytest.mark.parametrize("reached", ["a", "b"])
def test_a_counter_is_not_cleared_where_one_of_the_limits_is_reached(counters, reached, clock):
    counters[0].count(["a", "b"], WINDOW)
    counters[0].count([reached], WINDOW)

    standing = counters[1].clear_unless_reached("a", {"b": 2, "a": 2})

    assert dict(zip("ba", hits(standing), strict=True)) == {"a": 1, "b": 1} | {reached: 2}
    assert standing[0].ends_at == pytest.approx(clock.now + WINDOW, abs=0.5)
    assert hits(counters[0].read([reached])) == [2]


def test_clearing_what_was_never_counted_changes_nothing(counters):
    assert hits(counters[0].clear_unless_reached("a", {"a": 1, "b": 1})) == [0, 0]
    assert hits(counters[0].count(["a", "b"], WINDOW)) == [1, 1]


def test_a_hit_beside_a_clearing_is_seen_by_it_or_counted_after_it(counters):
    """Never neither: a limit that is reached meanwhile is not forgotten."""
    first, second = counters
    for _ in range(25):
        while first.count(["a"], WINDOW)[0].hits < 4:
            pass

        standing, _ = race(
            lambda: first.clear_unless_reached("a", {"a": 5}),
            lambda: second.count(["a"], WINDOW),
        )

        (left,) = hits(first.read(["a"]))
        assert (hits(standing), left) in [([4], 1), ([5], 5)]
        first.clear_unless_reached("a", {"a": 9})


def test_restarting_begins_a_window_whether_one_runs_or_not(counters, clock):
    counters[0].restart("a", WINDOW)
    assert hits(counters[1].read(["a"])) == [1]
    counters[0].count(["a"], WINDOW)

    counters[1].restart("a", 10 * WINDOW)

    (window,) = counters[0].read(["a"])
    assert window.hits == 1
    assert window.ends_at == pytest.approx(clock.now + 10 * WINDOW, abs=0.5)


def test_two_processes_never_allow_more_than_the_limit(counters):
    """Of many attempts at once each gets a number of its own; none is lost, no lock is dead."""
    keys = [["pair", "address", "account"], ["account", "pair", "address"]]
    turns = list(itertools.islice(itertools.cycle(zip(counters, keys, strict=True)), 12))

    def attempt(each, order):
        windows = dict(zip(order, each.count(order, WINDOW), strict=True))
        return [windows[key].hits for key in ("pair", "address", "account")]

    for number in range(6):
        first = number * len(turns) + 1

        results = race(*[lambda turn=turn: attempt(*turn) for turn in turns])

        for column in zip(*results, strict=True):
            assert sorted(column) == list(range(first, first + len(turns)))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
class TestClocks:
    """Windows in a database are told by the clocks of the processes."""

    @pytest.fixture
    def shared(self, kind, request):
        clocks = Clock(), Clock()
        request.param = kind
        both = list(sql_pair(request, None))
        for each, clock in zip(both, clocks, strict=True):
            each._clock = clock
        return both, clocks

    def test_an_expired_window_starts_again(self, shared):
        (one, _), (clock, _) = shared
        one.count(["a"], WINDOW)
        one.count(["a"], WINDOW)
        clock.advance(seconds=WINDOW)

        assert hits(one.read(["a"])) == [0]
        assert one.count(["a"], WINDOW) == [(1, clock.now + WINDOW)]

    def test_a_clock_that_is_somewhat_behind_counts_on(self, shared):
        (one, other), (_, behind) = shared
        behind.advance(seconds=-WINDOW / 2)
        one.count(["a"], WINDOW)

        assert hits(other.read(["a"])) == [1]
        assert hits(other.count(["a"], WINDOW)) == [2]

    def test_a_clock_that_was_put_back_does_not_lock_anyone_out(self, shared):
        (one, _), (clock, _) = shared
        one.count(["a"], WINDOW)
        clock.advance(days=-1)

        assert hits(one.read(["a"])) == [0]
        assert one.count(["a"], WINDOW) == [(1, clock.now + WINDOW)]

    def test_windows_that_are_over_are_swept(self, shared):
        (one, _), (clock, _) = shared
        one.count([f"key-{n}" for n in range(700)], WINDOW)
        clock.advance(seconds=WINDOW + 1)
        one.count(["live"], WINDOW)

        assert one.sweep() is True
        assert one.sweep() is False
        assert one._database.one(select(func.count()).select_from(table), {})[0] == 1

    def test_a_window_that_is_over_is_cleared_and_reaches_nothing(self, shared):
        (one, _), (clock, _) = shared
        one.count(["a", "b"], WINDOW)
        clock.advance(seconds=WINDOW)

        assert hits(one.clear_unless_reached("a", {"a": 1, "b": 1})) == [0, 0]
        assert hits(one.count(["a"], WINDOW)) == [1]


# --- Redis away


@pytest.fixture
def hung_port():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def refusing_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]  # Closed again: it refuses.


@pytest.fixture
def make_fallback(clock, request):
    from falcon_auth.stores.redis_counters import FallbackCounters, RedisCounters

    def make(url, *, prefix="unused", threshold=5, timeout=30):
        breaker = Breaker("redis", threshold=threshold, timeout=timeout)
        counters = FallbackCounters(
            RedisCounters(url, clock=clock, prefix=prefix), breaker, MemoryCounters(clock=clock)
        )
        request.addfinalizer(counters.close)
        return counters

    return make


def test_without_redis_each_process_counts_for_itself_and_says_so(
    make_fallback, refusing_port, logged
):
    counters = make_fallback(f"redis://127.0.0.1:{refusing_port}")

    assert hits(counters.count(["a"], WINDOW)) == [1]
    assert hits(counters.count(["a"], WINDOW)) == [2]
    assert hits(counters.read(["a"])) == [2]
    counters.clear_unless_reached("a", {"a": 5})
    assert hits(counters.read(["a"])) == [0]
    counters.restart("a", WINDOW)
    assert hits(counters.read(["a"])) == [1]
    assert counters.describe() == {
        "status": "ok",
        "kind": "memory",
        "breaker": "closed",
        "limits": "Redis is away: each process counts for itself",
    }
    assert logged.events("outage")[0]["of"] == "redis"


def test_redis_is_used_again_soon_after_it_is_back(make_fallback, redis_url, wire_to):
    """Not only after the circuit breaker's time-out, which is an hour here."""
    redis_at = urlsplit(redis_url)
    wire = wire_to(redis_at.hostname, redis_at.port)
    through_wire = redis_at._replace(netloc=f"127.0.0.1:{wire.port}").geturl()
    counters = make_fallback(through_wire, threshold=1, timeout=3600)
    wire.unplug()
    assert counters.describe()["breaker"] == "open"

    wire.plug()

    assert eventually(lambda: counters.describe()["kind"] == "redis")


def test_a_request_waits_for_redis_once_and_not_long(make_fallback, hung_port):
    """Reading, counting, clearing: what one request does, on its one thread."""
    counters = make_fallback(f"redis://127.0.0.1:{hung_port}")

    def ask():
        counters.read(["a"])
        counters.count(["a"], WINDOW)
        counters.clear_unless_reached("a", {"a": 5})

    _, took = timed(ask)

    assert took.had < 0.3


def test_after_some_failures_no_request_waits_for_redis(make_fallback, hung_port):
    counters = make_fallback(f"redis://127.0.0.1:{hung_port}", threshold=2)

    def ask():  # Each on a new thread: another request.
        thread = threading.Thread(target=counters.read, args=(["a"],))
        thread.start()
        thread.join()

    waits = [timed(ask)[1] for _ in range(4)]

    assert min(took.passed for took in waits[:2]) > 0.2
    assert max(took.had for took in waits[2:]) < 0.2
    assert counters.describe()["breaker"] == "open"


def test_what_this_process_counted_in_redis_still_counts_without_it(
    make_fallback, redis_url, redis_prefix
):
    counters = make_fallback(redis_url, prefix=redis_prefix)
    assert hits(counters.count(["a"], WINDOW)) == [1]
    assert counters.describe() == {"status": "ok", "kind": "redis", "breaker": "closed"}

    for _ in range(5):  # As when Redis does not answer.
        with pytest.raises(OutageError), counters._breaker.attempt():
            raise OutageError

    assert hits(counters.count(["a"], WINDOW)) == [2]
    assert hits(counters.read(["a"])) == [2]


def test_two_services_share_the_limit_through_redis(make_client, redis_url):
    """Five guesses in all, whichever service they go to."""
    services = [make_client(redis_url=redis_url) for _ in range(2)]
    email = f"{uuid.uuid4().hex}@example.com"
    turns = itertools.cycle(services)

    answers = [outcome(next(turns).login(email, "wrong horse battery")) for _ in range(7)]

    assert answers == [(401, "INVALID_CREDENTIALS")] * 5 + [(429, "RATE_LIMITED")] * 2


def test_two_services_share_the_limit_through_the_database(make_client, database_url):
    services = [make_client(database_url=database_url) for _ in range(2)]
    assert services[0].register().status_code == 201

    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda n: outcome(services[n % 2].login(EMAIL, "wrong horse")), range(10))
        )

    assert answers.count((401, "INVALID_CREDENTIALS")) == 5
    assert answers.count((429, "RATE_LIMITED")) == 5
    assert outcome(services[0].login(EMAIL, PASSWORD)) == (429, "RATE_LIMITED")


def test_a_success_forgets_the_failures_for_both_services(make_client, database_url):
    services = [make_client(database_url=database_url) for _ in range(2)]
    services[0].register()
    for _ in range(4):
        services[0].login(EMAIL, "wrong horse battery")

    assert services[1].login().status_code == 200
    for _ in range(5):
        assert outcome(services[0].login(EMAIL, "wrong horse")) == (401, "INVALID_CREDENTIALS")


def test_redis_never_sees_an_address_of_a_person(make_client, redis_url):
    import redis

    make_client(redis_url=redis_url).login(EMAIL, "wrong horse battery")

    keys = redis.Redis.from_url(REDIS_URL).scan_iter("falcon-auth:*")
    assert not [key for key in keys if b"example" in key]


def test_of_several_processes_one_sweeps_at_a_time(postgres_url):
    """While a transaction holds the lock, another finds nothing to do."""
    from falcon_auth.stores.sql.counters import SqlCounters
    from falcon_auth.stores.sql.database import open_engine
    from falcon_auth.stores.sql.sweeping import may_sweep

    first, second = (database_for(open_engine(postgres_url, pool_size=2)) for _ in "ab")
    counters = SqlCounters(second, clock=Clock())
    counters.count([f"key-{number}" for number in range(700)], WINDOW)
    later = SqlCounters(second, clock=Clock(Clock().now + WINDOW + 1))
    try:
        with first.transaction() as connection:
            assert may_sweep(connection)
            assert later.sweep() is False

        assert later.sweep() is True
    finally:
        first.close()
        second.close()
