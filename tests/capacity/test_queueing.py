"""The queueing model against a simulation of the queue, job by job."""

import heapq
import math
import random

import pytest

from falcon_auth.capacity.queueing import (
    wait_quantile,
    waiting_probability,
    workers_for,
)

JOB_SECONDS = 0.25


def simulate(workers, rate, jobs=60_000):
    """Return the waits of jobs that come at random and each take `JOB_SECONDS`."""
    chance = random.Random(7)  # noqa: S311 - a simulation
    free_at = [0.0] * workers
    now, waits = 0.0, []
    for _ in range(jobs):
        now += chance.expovariate(rate)
        start = max(now, heapq.heappop(free_at))
        heapq.heappush(free_at, start + JOB_SECONDS)
        waits.append(start - now)
    return sorted(waits)


@pytest.mark.parametrize(("workers", "utilisation"), [(1, 0.5), (2, 0.7), (8, 0.8)])
def test_predicted_waits_are_a_simulations_within_a_fifth(workers, utilisation):
    rate = utilisation * workers / JOB_SECONDS
    waits = simulate(workers, rate)

    simulated = waits[int(len(waits) * 0.99)]

    assert wait_quantile(workers, rate, JOB_SECONDS, 0.99) == pytest.approx(simulated, rel=0.2)


def test_erlangs_formula_gives_the_published_values():
    """Of Erlang C: ten servers at eight erlangs, and one server, where it is the load."""
    assert waiting_probability(10, 8) == pytest.approx(0.409, abs=0.001)
    assert waiting_probability(1, 0.3) == pytest.approx(0.3)
    assert waiting_probability(2, 2) == 1.0


def test_workers_that_cannot_keep_up_make_everybody_wait_for_ever():
    assert wait_quantile(2, 8, JOB_SECONDS, 0.99) == math.inf
    assert wait_quantile(100, 1, JOB_SECONDS, 0.99) == 0.0


def test_the_fewest_workers_that_keep_the_wait_are_found():
    count = workers_for(20, JOB_SECONDS, max_wait=0.1, quantile=0.99)

    assert wait_quantile(count, 20, JOB_SECONDS, 0.99) <= 0.1
    assert wait_quantile(count - 1, 20, JOB_SECONDS, 0.99) > 0.1
    assert workers_for(0, JOB_SECONDS, max_wait=1, quantile=0.99) == 1
