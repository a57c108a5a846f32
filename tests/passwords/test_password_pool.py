"""The hashing pool: bounded, shared by clients, polite, and closed without loss."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from busy_pool import PATIENCE_SECONDS, occupied, until

from falcon_auth.errors import AbandonedError, OverloadedError
from falcon_auth.passwords.pool import HashingPool


@pytest.fixture
def make_pool():
    pools = []

    def make(workers=1, queue_size=0, **options):
        pools.append(HashingPool(workers, queue_size, **options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close(PATIENCE_SECONDS)


@pytest.fixture
def callers():
    """Request threads; they start as they are needed."""
    with ThreadPoolExecutor(256) as executor:
        yield executor


def test_a_job_runs_on_a_worker_and_its_result_comes_back(make_pool):
    assert make_pool().run(threading.get_ident) != threading.get_ident()


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3)])
def test_what_a_job_raises_travels_and_the_worker_lives_on(make_pool, error):
    pool = make_pool()
    worker = pool.run(threading.get_ident)

    def fail():
        raise error

    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            pool.run(fail)
        assert caught.value is error

    assert pool.run(threading.get_ident) == worker
    assert pool.depth == 0


def test_no_thread_starts_before_the_first_job(make_pool):
    """A pool made before a fork must work after it, and threads do not survive one."""
    before = set(threading.enumerate())
    pool = make_pool(4)
    assert set(threading.enumerate()) == before

    pool.run(int)

    assert len(set(threading.enumerate()) - before) == 1


def test_a_full_queue_refuses_at_once(make_pool, callers):
    pool = make_pool(workers=2, queue_size=1)

    with occupied(pool, callers, workers=2):
        waiting = callers.submit(pool.run, lambda: "waited")
        until(lambda: pool.depth == 3)
        with pytest.raises(OverloadedError):
            pool.run(lambda: "never")

    assert waiting.result() == "waited"
    assert pool.run(lambda: "again") == "again"


def test_jobs_of_one_client_start_in_the_order_they_came(make_pool, callers):
    pool = make_pool(queue_size=20)
    order = []

    with occupied(pool, callers):
        futures = []
        for number in range(20):
            futures.append(callers.submit(pool.run, lambda number=number: order.append(number)))
            until(lambda number=number: pool.depth == number + 2)

    for future in futures:
        future.result()
    assert order == list(range(20))


@pytest.mark.parametrize("clients", [1, 3, 32])
def test_racing_callers_never_exceed_the_bound_or_leak_a_place(make_pool, callers, clients):
    pool = make_pool(workers=2, queue_size=3)
    deepest = []

    def call(start, number):
        start.wait(PATIENCE_SECONDS)
        try:
            pool.run(lambda: deepest.append(pool.depth), client=f"client {number % clients}")
        except OverloadedError:
            return False
        return True

    for _ in range(20):
        start = threading.Barrier(32)
        served = list(callers.map(call, [start] * 32, range(32)))
        assert served.count(True) >= 5

    assert max(deepest) <= 5
    assert pool.depth == 0


def test_an_abandoned_job_is_skipped_when_its_turn_comes(make_pool, callers):
    pool = make_pool(queue_size=2)
    gone = threading.Event()
    ran = []

    with occupied(pool, callers):
        abandoned = callers.submit(pool.run, lambda: ran.append("abandoned"), abandoned=gone.is_set)
        until(lambda: pool.depth == 2)
        patient = callers.submit(pool.run, lambda: ran.append("patient"), abandoned=lambda: False)
        until(lambda: pool.depth == 3)
        gone.set()

    with pytest.raises(AbandonedError):
        abandoned.result()
    patient.result()
    assert ran == ["patient"]
    until(lambda: pool.depth == 0)


@pytest.fixture
def send(callers):
    """Hand a pool a job of a client that leaves a mark in a list; give the caller's future.

    Returns when the job waits, so that the order of jobs is that of the calls.
    """

    def sending(pool, client, mark, ran, **options):
        depth = pool.depth
        future = callers.submit(pool.run, lambda: ran.append(mark), client=client, **options)
        until(lambda: pool.depth == depth + 1)
        return future

    return sending


def test_the_client_with_the_fewest_queued_jobs_is_next(make_pool, callers, send):
    pool = make_pool(queue_size=10)
    ran = []

    with occupied(pool, callers):
        futures = [send(pool, "big", number, ran) for number in range(3)]
        futures.append(send(pool, "small", "small", ran))

    for future in futures:
        future.result()
    assert ran == ["small", 0, 1, 2]


def test_a_full_queue_sheds_the_newest_job_of_the_client_with_most(make_pool, callers, send):
    pool = make_pool(queue_size=3)
    ran = []

    with occupied(pool, callers):
        big = [send(pool, "big", number, ran) for number in range(3)]
        small = callers.submit(pool.run, lambda: ran.append("small"), client="small")
        with pytest.raises(OverloadedError) as refused:
            big[-1].result(PATIENCE_SECONDS)
        with pytest.raises(OverloadedError):
            pool.run(lambda: ran.append("never"), client="big")
        assert pool.depth == 4

    for future in (small, *big[:-1]):
        future.result()
    assert refused.value.retry_after == 1
    assert ran == ["small", 0, 1]
    assert pool.depth == 0


def test_a_job_without_a_client_shares_with_all_others_that_have_none(make_pool, callers):
    pool = make_pool(queue_size=2)

    with occupied(pool, callers):
        waiting = [callers.submit(pool.run, int) for _ in range(2)]
        until(lambda: pool.depth == 3)
        with pytest.raises(OverloadedError):
            pool.run(int)
        known = callers.submit(pool.run, lambda: "known", client="known")
        until(lambda: any(future.done() for future in waiting))

    assert known.result() == "known"
    outcomes = [future.exception() for future in waiting]
    assert [type(outcome) for outcome in outcomes if outcome] == [OverloadedError]


def test_abandoned_jobs_count_for_their_client_no_longer_than_they_wait(make_pool, callers, send):
    """Else a client whose requests were given up would be the one that has most for ever."""
    pool = make_pool(queue_size=3)
    ran = []
    with occupied(pool, callers):
        gone = [send(pool, "a", "gone", ran, abandoned=lambda: True) for _ in range(3)]
    for future in gone:
        with pytest.raises(AbandonedError):
            future.result()

    with occupied(pool, callers):
        kept = [send(pool, "a", "a", ran), send(pool, "b", "b", ran)]
        shed = send(pool, "b", "shed", ran)
        kept.append(callers.submit(pool.run, lambda: ran.append("c"), client="c"))
        with pytest.raises(OverloadedError):
            shed.result(PATIENCE_SECONDS)

    for future in kept:
        future.result()
    assert sorted(ran) == ["a", "b", "c"]


def test_a_refused_thread_is_overload_and_the_pool_works_afterwards(make_pool):
    """The executor keeps the turn that it refused; it must find nothing to do."""
    pool = make_pool()
    before = threading.stack_size(2**46)  # More than any system grants.
    try:
        with pytest.raises(OverloadedError):
            pool.run(lambda: "never")
    finally:
        threading.stack_size(before)

    assert [pool.run(lambda: "done") for _ in range(3)] == ["done"] * 3
    assert pool.depth == 0


def test_close_lets_the_accepted_finish_and_refuses_the_rest(make_pool, callers):
    pool = make_pool(queue_size=1_000)

    def refuses():
        depth = pool.depth
        probe = callers.submit(pool.run, int)
        until(lambda: probe.done() or pool.depth > depth)
        return probe.done() and isinstance(probe.exception(), OverloadedError)

    with occupied(pool, callers) as running:
        waiting = callers.submit(pool.run, lambda: "waited")
        until(lambda: pool.depth == 2)
        closing = callers.submit(pool.close, PATIENCE_SECONDS)
        until(refuses)
        assert not closing.done()

    assert closing.result() is True
    assert (running[0].result(), waiting.result()) == ("done", "waited")
    assert pool.close(0) is True


def test_close_refuses_what_still_waits_when_its_time_is_over(make_pool, callers):
    pool = make_pool(queue_size=1)

    with occupied(pool, callers) as running:
        waiting = callers.submit(pool.run, lambda: "never")
        until(lambda: pool.depth == 2)

        assert pool.close(0) is False

        with pytest.raises(OverloadedError):
            waiting.result()

    assert running[0].result() == "done"


def test_a_full_pool_that_closes_refuses_newcomers_and_keeps_what_it_accepted(
    make_pool, callers, send
):
    """A newcomer is refused though its client has the fewest: nobody is shed for it."""
    pool = make_pool(queue_size=3)
    ran = []

    with occupied(pool, callers):
        accepted = [send(pool, "big", number, ran) for number in range(3)]
        closing = callers.submit(pool.close, PATIENCE_SECONDS)
        until(lambda: pool._closed)  # noqa: SLF001 - nothing else shows it of a full pool
        with pytest.raises(OverloadedError):
            pool.run(lambda: ran.append("late"), client="small")

    assert closing.result() is True
    assert [future.result() for future in accepted] == [None] * 3
    assert ran == [0, 1, 2]


def test_a_closed_pool_refuses_though_it_is_empty(make_pool):
    pool = make_pool(queue_size=10)
    pool.close(0)

    with pytest.raises(OverloadedError):
        pool.run(int)


@pytest.mark.parametrize(
    ("seconds_per_job", "retry_after"),
    # Six jobs, two workers; the first job timed moves the mean from 0.25 s by a fifth.
    [(0, 1), (9.25, 7), (10_000, 30)],
)
def test_retry_after_is_when_the_queue_will_be_empty(
    make_pool, callers, seconds_per_job, retry_after
):
    now = [0.0]
    pool = make_pool(workers=2, queue_size=4, clock=lambda: now[0])

    def job():
        now[0] += seconds_per_job

    pool.run(job)

    with occupied(pool, callers, workers=2):
        waiting = [callers.submit(pool.run, int) for _ in range(4)]
        until(lambda: pool.depth == 6)
        with pytest.raises(OverloadedError) as refused:
            pool.run(int)

    assert refused.value.retry_after == retry_after
    assert [future.result() for future in waiting] == [0] * 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority per thread")
def test_workers_let_request_threads_go_first(make_pool):
    def own_niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = own_niceness()

    assert make_pool().run(own_niceness) == min(before + 10, 19)
    assert own_niceness() == before
