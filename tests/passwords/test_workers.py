"""How many workers hash: affinity, and the CPU quota of control groups of both versions."""

from __future__ import annotations

import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.passwords.workers import cpu_quota, default_workers, usable_cores


@pytest.fixture
def machine(tmp_path):
    """Write what Linux would show, and return where it is."""

    def write(membership, files):
        (tmp_path / "cgroup").write_text(membership)
        for name, content in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return {"membership": tmp_path / "cgroup", "mount": tmp_path / "fs"}

    return write


@pytest.mark.parametrize(
    ("cores", "quota", "workers"),
    [
        (8, "max", 8),
        (8, "50000", 1),
        (8, "100000", 1),
        (8, "200000", 1),
        (8, "250000", 1),
        (8, "400000", 3),
        (8, "800000", 7),
        (8, "1600000", 8),
        (2, "400000", 2),
        (1, "max", 1),
    ],
)
def test_under_a_quota_one_fewer_than_it_grants(machine, cores, quota, workers):
    """Once a quota is spent all threads stand still, those that answer requests too."""
    places = machine("0::/\n", {"cpu.max": f"{quota} 100000\n"})

    assert default_workers(cores, **places) == workers


def test_version_2_without_a_limit(machine):
    places = machine("0::/user.slice\n", {"user.slice/cpu.max": "max 100000\n"})

    assert cpu_quota(**places) == math.inf


def test_the_smallest_quota_of_a_group_and_those_around_it_counts(machine):
    places = machine(
        "0::/a/b/c\n",
        {
            "a/b/c/cpu.max": "800000 100000\n",
            "a/b/cpu.max": "30000 10000\n",
            "a/cpu.max": "max 100000\n",
            "cpu.max": "900000 100000\n",
        },
    )

    assert cpu_quota(**places) == 3


VERSION_1 = "12:cpuset:/\n4:cpu,cpuacct:/docker/0a1b\n1:name=systemd:/docker/0a1b\n"


@pytest.mark.parametrize("group", ["cpu/docker/0a1b", "cpu"])
def test_version_1_of_the_host_and_of_a_container(machine, group):
    """A container is told the host's path, and finds its own group at the root."""
    files = {f"{group}/cpu.cfs_quota_us": "250000\n", f"{group}/cpu.cfs_period_us": "100000\n"}

    assert cpu_quota(**machine(VERSION_1, files)) == 2.5


def test_version_1_without_a_limit(machine):
    files = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}

    assert cpu_quota(**machine(VERSION_1, files)) == math.inf


def test_a_hybrid_layout_of_cgroups_takes_the_quota_of_v1(machine):
    """systemd's hybrid layout: the controllers are those of version 1."""
    files = {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}

    assert cpu_quota(**machine(VERSION_1 + "0::/docker/0a1b\n", files)) == 2


def test_a_group_outside_the_container_s_view_is_not_followed(machine, tmp_path):
    (tmp_path / "cpu.max").write_text("100000 100000\n")

    assert cpu_quota(**machine("0::/../..\n", {"cpu.max": "300000 100000\n"})) == 3


@pytest.mark.parametrize("content", ["", "max", "0 100000", "100000 0", "a b", "1 2 3", "\xff"])
def test_what_is_not_understood_limits_nothing(machine, content):
    assert cpu_quota(**machine("0::/\nnonsense\n", {"cpu.max": content})) == math.inf


@given(st.text())
def test_no_membership_raises(machine, text):
    text = text.replace("\0", "").encode("ascii", "replace").decode()

    assert default_workers(4, **machine(text, {})) == 4


def test_a_machine_without_control_groups_has_its_cores(tmp_path):
    places = {"membership": tmp_path / "none", "mount": tmp_path / "none"}

    assert default_workers(5, **places) == 5
    assert default_workers(**places) == usable_cores() == len(os.sched_getaffinity(0))


def test_this_machine_has_an_answer():
    assert 1 <= default_workers() <= usable_cores()
