"""A backend that is back is noticed within a second or so, without a request that tries it."""

import pytest
from processes import eventually
from test_store_breaker import fail

from falcon_auth.breaker import Breaker
from falcon_auth.stores.recovery import RecoveryProbe

SHORT = 0.001  # Seconds between two probes.


@pytest.fixture
def breaker():
    return Breaker("database", threshold=1, timeout=3600)


class Backend:
    """One that is back at a given probe."""

    def __init__(self, back_at):
        self.probes, self._back_at = 0, back_at

    def answers(self):
        self.probes += 1
        return self.probes >= self._back_at


def test_the_circuit_closes_as_soon_as_the_backend_answers_a_probe(breaker, logged):
    backend = Backend(back_at=3)
    probe = RecoveryProbe(breaker, backend.answers, interval=SHORT)
    fail(breaker)

    for _ in range(5):
        probe.watch()  # As every refused request does: one thread asks.

    assert eventually(lambda: breaker.state == "closed")
    assert backend.probes == 3
    assert [line["of"] for line in logged.events("outage_over")] == ["database"]


def test_a_second_outage_is_watched_as_well(breaker):
    probe = RecoveryProbe(breaker, lambda: True, interval=SHORT)
    for _ in range(2):
        fail(breaker)

        # Again and again: the thread of the first outage may be about to end.
        assert eventually(lambda: probe.watch() or breaker.state == "closed")


def test_nothing_is_asked_while_the_circuit_is_closed_or_after_the_end(breaker):
    backend = Backend(back_at=1)
    probe = RecoveryProbe(breaker, backend.answers, interval=SHORT)

    probe.watch()
    probe.close()
    fail(breaker)
    probe.watch()

    assert (backend.probes, breaker.state) == (0, "open")


def test_a_circuit_that_a_call_has_closed_stays_as_it_is(breaker, logged):
    breaker.close()

    assert breaker.state == "closed"
    assert not logged.events("outage_over")
