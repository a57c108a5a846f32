"""The queue that clients share, held against a plain model of what it promises."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.passwords.fair_queue import PATIENCE_TURNS, FairQueue


@dataclass
class Model:
    """The same in one list, counted anew at every step."""

    waiting: list = field(default_factory=list)  # Pairs of client and item, as they came.
    turns: int = 0
    steps: count = field(default_factory=count)
    renumbered: dict = field(default_factory=dict)  # The step that changed a client's number.
    served: dict = field(
        default_factory=dict
    )  # The step of a client's last turn, or of its coming.

    def number(self, client):
        return [owner for owner, _ in self.waiting].count(client)

    @property
    def clients(self):
        return {owner for owner, _ in self.waiting}

    def put(self, client, item):
        step = next(self.steps)
        if not self.number(client):
            self.served[client] = step
        self.renumbered[client] = step
        self.waiting.append((client, item))

    def take(self):
        self.turns += 1
        if self.turns % PATIENCE_TURNS == 0:
            client = min(self.clients, key=self.served.get)
        else:
            client = min(self.clients, key=lambda each: (self.number(each), self.renumbered[each]))
        self.served[client] = self.renumbered[client] = next(self.steps)
        return self._remove(next(pair for pair in self.waiting if pair[0] == client))

    def shed(self, newcomer):
        ranks = {each: (self.number(each), self.renumbered[each]) for each in self.clients}
        biggest = max(ranks, key=ranks.get, default=newcomer)
        if self.number(biggest) <= self.number(newcomer) + 1:
            return None
        self.renumbered[biggest] = next(self.steps)
        return self._remove([pair for pair in self.waiting if pair[0] == biggest][-1])

    def _remove(self, pair):
        self.waiting.remove(pair)
        return pair[1]


TAKE = None
CLIENTS = st.sampled_from("aaaabbcdefgh")  # Some have more than others.
STEPS = st.lists(CLIENTS | st.just(TAKE), max_size=80)


@given(steps=STEPS, bound=st.integers(1, 12))
def test_the_queue_does_what_the_model_does(steps, bound):
    """Bounded as the pool bounds it; drained at the end, so that no item is lost or doubled."""
    queue, model = FairQueue(), Model()
    steps += [TAKE] * bound

    for item, step in enumerate(steps):
        if step is TAKE:
            if model.waiting:
                assert queue.take() == model.take()
        else:
            shed = None
            if len(queue) == bound:
                shed = queue.shed(step)
                assert shed == model.shed(step)
            if len(queue) < bound:
                queue.put(step, item)
                model.put(step, item)
        assert len(queue) == len(model.waiting) <= bound

    assert not queue


@given(steps=STEPS)
def test_nobody_starves_whatever_the_others_add(steps):
    """A client's next turn comes within so many turns for each client that was there before it."""
    queue, waiting = FairQueue(), Counter()
    turns, due = 0, {}  # The last turn by which each client must have its next one.

    for step in steps + [TAKE] * len(steps):
        if step is not TAKE:
            queue.put(step, step)
            waiting[step] += 1
            due.setdefault(step, turns + PATIENCE_TURNS * len(waiting))
        elif queue:
            turns += 1
            served = queue.take()
            assert turns <= due.pop(served)
            waiting -= Counter([served])
            if served in waiting:
                due[served] = turns + PATIENCE_TURNS * len(waiting)

    assert not due


def test_a_client_with_five_items_is_served_beside_a_crowd_that_always_has_one_each():
    queue = FairQueue()
    for number in range(5):
        queue.put("office", f"office {number}")
    for number in range(100):
        queue.put(f"crowd {number}", number)

    served = []
    for number in range(100, 100 + 5 * PATIENCE_TURNS * 101):
        served.append(queue.take())
        queue.put(f"crowd {number}", number)

    assert [item for item in served if isinstance(item, str)] == [f"office {n}" for n in range(5)]


def test_turns_for_patience_go_round():
    """Not all to the client that came first, which would have them until it has nothing left."""
    queue = FairQueue()
    for client in "abc":
        for _ in range(9):
            queue.put(client, client)

    turns = []
    for number in range(1, 3 * PATIENCE_TURNS + 1):
        if number % PATIENCE_TURNS:
            queue.put(f"crowd {number}", "crowd")
        turns.append(queue.take())

    assert turns[PATIENCE_TURNS - 1 :: PATIENCE_TURNS] == ["a", "b", "c"]


def test_a_newcomer_goes_before_the_many_of_another():
    queue = FairQueue()
    for number in range(128):
        queue.put("big", number)

    queue.put("small", "small")

    assert queue.take() == "small"


def test_the_newest_item_of_the_client_with_most_is_shed():
    queue = FairQueue()
    for client, item in [("a", 1), ("b", 2), ("b", 3), ("b", 4), ("a", 5)]:
        queue.put(client, item)

    assert [queue.shed("new"), queue.shed("b"), len(queue)] == [4, None, 4]


def test_clients_that_have_as_many_as_the_newcomer_would_lose_nothing_to_it():
    queue = FairQueue()
    for client in "abc":
        queue.put(client, client)

    assert queue.shed("new") is None
    assert len(queue) == 3
