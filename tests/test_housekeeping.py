"""Chores behind the requests: done round after round, whatever one of them does."""

from __future__ import annotations

import threading
from threading import Barrier, Event, Thread

import pytest
from processes import PATIENCE, eventually, run_python

from falcon_auth.housekeeping import Housekeeper

OFTEN = 0.005  # Seconds between rounds.


@pytest.fixture
def keeper_of():
    """Make housekeepers, which end with the test."""
    made = []

    def make(*chores, interval=OFTEN):
        made.append(Housekeeper(chores, interval=interval))
        return made[-1]

    yield make
    for keeper in made:
        keeper.stop()


class Chore:
    """Counts its slices; there is more to do as often as told."""

    def __init__(self, more=0):
        self.slices = 0
        self.more = more

    def __call__(self):
        self.slices += 1
        return self.slices <= self.more


def housekeeping_threads():
    return [each for each in threading.enumerate() if each.name == "housekeeping"]


def test_a_round_does_every_chore_until_it_is_done(keeper_of):
    quick, slow = Chore(), Chore(more=3)

    keeper_of(slow, quick).round()

    assert (slow.slices, quick.slices) == (4, 1)


def test_a_chore_that_fails_is_logged_by_its_type_only_and_keeps_no_other_from_its_turn(
    keeper_of, logged
):
    def failing():
        raise ValueError("hunter2")

    after = Chore()

    keeper_of(failing, after).round()

    assert after.slices == 1
    (line,) = logged.events("chore_failed")
    assert (line["error"], line["level"]) == ("ValueError", "error")
    assert "hunter2" not in logged.text


def test_a_chore_that_failed_is_tried_again_in_the_next_round(keeper_of):
    succeeded = Event()
    attempts = []

    def failing_at_first():
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError
        succeeded.set()
        return False

    keeper_of(failing_at_first).ensure_running()

    assert succeeded.wait(PATIENCE)


def test_nothing_runs_before_it_is_asked_for_and_then_after_an_interval(keeper_of):
    chore = Chore()
    keeper = keeper_of(chore)
    assert not housekeeping_threads()

    keeper.ensure_running()

    assert eventually(lambda: chore.slices > 2)
    assert all(each.daemon for each in housekeeping_threads())


def test_of_20_threads_that_ask_for_it_one_starts_it(keeper_of):
    keeper = keeper_of(Chore(), interval=PATIENCE)
    together = Barrier(20)

    def ask():
        together.wait(PATIENCE)
        keeper.ensure_running()

    threads = [Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert len(housekeeping_threads()) == 1


def test_stop_ends_it_at_once_and_for_good(keeper_of):
    chore = Chore()
    keeper = keeper_of(chore, interval=PATIENCE)
    keeper.ensure_running()

    keeper.stop()
    keeper.ensure_running()

    assert not housekeeping_threads()
    assert chore.slices == 0


def test_stop_does_not_wait_for_a_chore_that_has_always_more_to_do(keeper_of):
    endless = Chore(more=1_000_000)
    keeper = keeper_of(endless)
    keeper.ensure_running()
    assert eventually(lambda: endless.slices > 2)

    keeper.stop()

    assert not housekeeping_threads()


def test_what_never_ran_can_be_stopped(keeper_of):
    keeper = keeper_of(Chore())

    keeper.stop()
    keeper.ensure_running()

    assert not housekeeping_threads()


FORK = """
import os, threading
from falcon_auth.housekeeping import Housekeeper

done = threading.Event()
keeper = Housekeeper([lambda: done.set()], interval=0.005)
{before}
pid = os.fork()
if pid == 0:
    done = threading.Event()
    assert not done.wait(0)
    keeper.ensure_running()
    ran = done.wait(20)
    keeper.stop()
    left = [each.name for each in threading.enumerate()]
    os._exit(0 if ran and left == ["MainThread"] else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
keeper.stop()
"""


@pytest.mark.parametrize("before", ["", "keeper.ensure_running(); done.wait(20)"])
def test_it_runs_in_a_forked_process_too(tmp_path, before):
    """Threads do not survive a fork, which servers may do after loading the application."""
    result = run_python("-c", FORK.format(before=before), cwd=tmp_path)

    assert (result.stdout, result.stderr) == ("0\n", "")
