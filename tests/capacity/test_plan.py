"""Plans follow from the load and the costs, and every number can be checked by hand."""

from dataclasses import replace

import pytest

from falcon_auth.capacity.plan import Costs, Load, make_plan

LOAD = Load(
    users=1_000_000,
    sessions=900_000,
    logins_per_day=864_000,
    requests_per_day=86_400_000,
    active_share=0.1,
    peak_factor=2,
    access_minutes=15,
    max_wait=1,
)
COSTS = Costs(hash=0.25, login=0.002, refresh=0.001, request=0.0005)


def test_the_busiest_moment_follows_from_days_and_sessions():
    assert LOAD.logins == pytest.approx(20)
    assert LOAD.refreshes == pytest.approx(100)
    assert LOAD.requests == pytest.approx(2000)


def test_cores_are_those_of_hashing_and_of_processes():
    plan = make_plan(LOAD, COSTS)

    assert plan.hash_workers == 8  # 5 cores of work, at 70 % at most.
    assert plan.processes == 2  # 1.14 cores of work.
    assert plan.cores == 10
    assert plan.writes_per_second == pytest.approx(120)
    assert plan.saturates_first == "password hashing"


def test_the_narrowest_resource_is_named():
    assert make_plan(LOAD, replace(COSTS, hash=0.01)).saturates_first == "request processing"
    slow_disk = replace(COSTS, writes_per_second=130)
    assert make_plan(LOAD, slow_disk).saturates_first == "database writes"


def test_a_shorter_wait_costs_more_workers():
    short = make_plan(replace(LOAD, max_wait=0.001), COSTS)

    assert short.hash_workers > make_plan(LOAD, COSTS).hash_workers


def test_nobody_at_all_needs_one_worker_and_one_process():
    nobody = replace(LOAD, users=0, sessions=0, logins_per_day=0, requests_per_day=0)

    plan = make_plan(nobody, COSTS)

    assert (plan.cores, plan.memory_bytes, plan.writes_per_second) == (2, 0, 0)
