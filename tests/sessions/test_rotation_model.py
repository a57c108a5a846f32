"""Rotation holds in every order of its steps: no fork, no token after the end, no honest log-out.

Each claim is also tried on a faulty variant of the service, in which the search has to find a
violation: a claim that nothing can break would prove nothing.
"""

from dataclasses import replace

import pytest
from rotation_model import GRACE, SERVICE, Session, World, search

WITH_THIEF = replace(SERVICE, thief=True)


def forks(before, step):
    """The session falls behind a token, or two tokens of one generation differ."""
    del before
    generations = [token.generation for token in step.world.issued]
    differ = len(generations) != len(set(generations))
    return differ or step.world.session.generation < max(generations)


def lives_after_its_end(before, step):
    """A session that was ended lives again, or one whose end was acknowledged lives on."""
    return (before.session.ended or step.world.end_acknowledged) and not step.world.session.ended


def logs_an_honest_client_out(before, step):
    """The client is refused, though the owner ended nothing and there is no thief."""
    refused = step.answer is not None and step.answer.outcome != "tokens"
    return refused and not before.end_acknowledged


def answers_a_replay(before, step):
    """A token that was spent longer ago than the grace, or two generations ago, gets another."""
    session = before.session
    for request in set(step.world.requests) - set(before.requests):
        age = session.generation - request.token.generation
        is_late = age == 1 and before.now - session.issued_at > GRACE
        if request.step == "answer" and (age > 1 or is_late):
            return True
    return False


@pytest.mark.parametrize("rules", [SERVICE, WITH_THIEF], ids=["alone", "thief"])
@pytest.mark.parametrize("fault", [forks, lives_after_its_end, answers_a_replay])
def test_no_order_of_steps_forks_the_chain_or_outlives_its_end(rules, fault):
    visited, way = search(rules, fault)

    assert way == []
    assert visited > 1000


def test_no_order_of_steps_logs_an_honest_client_out_within_the_grace():
    assert search(SERVICE, logs_an_honest_client_out)[1] == []


# --- What the search finds in a service that is built otherwise


def read_then_write(world, request):
    """Write the whole record as it was found, moved on."""
    if request.found != request.token.generation:
        return world.session, False
    return Session(request.found + 1, world.now), True


def forget_the_end(world, request):
    """Compare the generation alone."""
    session = world.session
    if session.generation != request.token.generation:
        return session, False
    return Session(session.generation + 1, world.now), True


FAULTY = {
    "the record is read, then written": (
        replace(WITH_THIEF, rotate=read_then_write),
        forks,
    ),
    "the rotation does not look whether the session has ended": (
        replace(SERVICE, rotate=forget_the_end),
        lives_after_its_end,
    ),
    "each answer signs a new successor": (
        replace(SERVICE, serial=lambda world: len(world.issued)),
        forks,
    ),
    "there is no grace": (replace(SERVICE, grace=-1), logs_an_honest_client_out),
    "the grace has no end": (replace(WITH_THIEF, grace=99), answers_a_replay),
    "the client refreshes again while its own refresh is on its way": (
        replace(SERVICE, client_waits=False),
        logs_an_honest_client_out,
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_the_search_finds_the_fault_where(name):
    way = search(*FAULTY[name])[1]

    assert isinstance(way[-1], World)
