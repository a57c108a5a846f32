"""Counters in memory: exact, bounded, and right when the clock is put back."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from conftest import Clock
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.stores.memory.counters import MemoryCounters


def count_once(counters, key, seconds):
    """Count once; the value is the count."""
    return counters.count([key], seconds)[0].hits


def test_counting_is_exact_under_threads():
    counters = MemoryCounters(clock=Clock())
    barrier = Barrier(20)

    def count(_number):
        barrier.wait()
        return [count_once(counters, "key", 60) for _ in range(50)]

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
        counted = count_once(counters, f"failures/{key}", 60)
        assert counted in {count, 1}
        model[key] = (counted, ends_at if counted == count else clock() + 60)
    assert counters.size <= 10


def test_a_counter_of_the_future_is_not_believed():
    """The clock was put back: nobody waits for it to come round again."""
    clock = Clock()
    counters = MemoryCounters(clock=clock)
    count_once(counters, "key", 60)
    clock.advance(hours=-2)

    assert counters.read(["key"]) == [(0, clock())]
    assert count_once(counters, "key", 60) == 1


def test_a_flood_of_registrations_forgets_no_failed_log_in():
    """They are counted before they cost anything; a failure has cost a hash."""
    counters = MemoryCounters(clock=Clock(), max_counters=10)
    for _ in range(5):
        counters.count(["login-pair/victim"], 60)

    for number in range(1_000):
        count_once(counters, f"registration/{number}", 60)

    assert counters.read(["login-pair/victim"])[0].hits == 5


def test_a_counter_that_was_cleared_leaves_no_ghost_behind():
    clock = Clock()
    counters = MemoryCounters(clock=clock)
    count_once(counters, "login-pair/ada", 60)
    counters.clear_unless_reached("login-pair/ada", {"login-pair/ada": 5})
    clock.advance(seconds=30)
    count_once(counters, "login-pair/ada", 60)
    clock.advance(seconds=31)

    count_once(counters, "login-pair/bob", 60)

    assert counters.read(["login-pair/ada"])[0].hits == 1


def test_counters_that_are_over_make_room_at_the_next_new_one(clock):
    counters = MemoryCounters(clock=clock)
    for number in range(20):
        count_once(counters, f"mail/{number}", 60)
    clock.advance(seconds=60)

    count_once(counters, "mail/another", 60)

    assert counters.size == 1


def test_beyond_the_bound_the_counter_that_began_first_goes(clock):
    """One that was started anew began then: a client that comes again stays known."""
    counters = MemoryCounters(clock=clock, max_counters=2)
    for key in ("known-client/home", "known-client/work", "known-client/home"):
        counters.restart(key, 60)

    counters.restart("known-client/elsewhere", 60)

    windows = counters.read([f"known-client/{each}" for each in ("home", "work", "elsewhere")])
    assert [window.hits for window in windows] == [1, 0, 1]
