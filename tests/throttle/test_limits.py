"""Limits by name: what any capability counts its uses with."""

import pytest

from falcon_auth.errors import RateLimitedError
from falcon_auth.stores.memory.counters import MemoryCounters
from falcon_auth.throttle.limits import Limit, Limiter

MAILS = Limit("mail", 3, 3600)


@pytest.fixture
def limiter(clock):
    return Limiter(MemoryCounters(clock=clock), clock=clock)


def test_a_use_beyond_the_limit_is_refused_until_the_window_ends(limiter, clock, logged):
    for _ in range(3):
        limiter.count(MAILS, "ada")
    clock.advance(minutes=40)

    with pytest.raises(RateLimitedError) as refused:
        limiter.count(MAILS, "ada")

    assert refused.value.retry_after == 20 * 60
    assert [line["limit"] for line in logged.events("rate_limited")] == ["mail"]
    clock.advance(minutes=20)
    limiter.count(MAILS, "ada")


def test_a_limit_may_be_asked_for_without_a_refusal(limiter, logged):
    """For answers that must be the same beyond the limit: whoever asks learns nothing."""
    assert [limiter.allows(MAILS, "ada") for _ in range(4)] == [True, True, True, False]
    assert not logged.events("rate_limited")


def test_each_limit_and_each_key_is_counted_for_itself(limiter):
    codes = Limit("challenge", 1, 300)
    limiter.count(codes, "ada")

    assert limiter.allows(MAILS, "ada")
    assert limiter.allows(codes, "bob")
    assert not limiter.allows(codes, "ada")


def test_retry_after_is_never_longer_than_the_window(clock):
    """Not even where another process, whose clock is ahead, has started it."""
    ahead = MemoryCounters(clock=lambda: clock() + 1800)
    limiter = Limiter(ahead, clock=clock)
    for _ in range(3):
        limiter.count(MAILS, "ada")

    with pytest.raises(RateLimitedError) as refused:
        limiter.count(MAILS, "ada")

    assert refused.value.retry_after == 3600
