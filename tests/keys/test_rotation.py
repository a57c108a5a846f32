"""Rotation: which step is refused, until when, and that keeping to it breaks nothing."""

import json

import pytest
from conftest import START, settings_for
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.keys.live import CHECK_SECONDS, STALE_SECONDS
from falcon_auth.keys.rotation import (
    JWKS_MAX_AGE_SECONDS,
    MAX_LEEWAY_SECONDS,
    MIN_KEY_CACHE_SECONDS,
    SPREAD_SECONDS,
    Plan,
    StepError,
    UnsafeStepError,
)

NOW = int(START)
WEEK = 7 * 86400
CACHE = 660  # KEY_CACHE_SECONDS
ALIVE = SPREAD_SECONDS + WEEK + MAX_LEEWAY_SECONDS


def kid(number):
    return f"{number:043d}"


def plan_with(*, next_since=None, retired_since=None):
    """A plan whose first key is active, or has retired in favour of the second."""
    plan = Plan().add(kid(1), "ES256", now=NOW, token_seconds=WEEK, cache_seconds=CACHE)
    if retired_since is not None:
        published = retired_since - CACHE
        plan = plan.add(kid(2), "ES256", now=published, token_seconds=WEEK, cache_seconds=CACHE)
        plan = plan.promote(now=retired_since, token_seconds=WEEK)
    if next_since is not None:
        plan = plan.add(kid(3), "EdDSA", now=next_since, token_seconds=WEEK, cache_seconds=CACHE)
    return plan


def states(plan):
    return {record.kid: record.state for record in plan.keys}


def test_the_first_key_signs_at_once_and_the_second_waits():
    plan = plan_with(next_since=NOW)

    assert states(plan) == {kid(1): "active", kid(3): "next"}
    assert [record.kid for record in plan.live()] == [kid(1), kid(3)]


def test_a_key_signs_no_sooner_than_every_copy_of_the_key_set_has_it():
    plan = plan_with(next_since=NOW)

    with pytest.raises(UnsafeStepError) as refused:
        plan.promote(now=NOW + CACHE - 0.001, token_seconds=WEEK)
    promoted = plan.promote(now=refused.value.safe_at, token_seconds=WEEK)

    assert CACHE > JWKS_MAX_AGE_SECONDS
    assert refused.value.safe_at == NOW + CACHE
    assert states(promoted) == {kid(1): "retiring", kid(3): "active"}


def test_a_key_goes_no_sooner_than_the_last_token_it_signed():
    plan = plan_with(retired_since=NOW + 10_000)

    with pytest.raises(UnsafeStepError) as refused:
        plan.remove(kid(1), now=NOW + 10_000 + ALIVE - 0.001)
    removed = plan.remove(kid(1), now=refused.value.safe_at)

    assert refused.value.safe_at == NOW + 10_000 + ALIVE
    assert states(removed) == {kid(1): "gone", kid(2): "active"}
    assert [record.kid for record in removed.live()] == [kid(2)]


@pytest.mark.parametrize("seconds", [WEEK // 7, WEEK * 4])
def test_the_longest_life_of_tokens_counts_since_the_key_began_to_sign(seconds):
    """Whether the setting was lowered or raised meanwhile, tokens of both kinds may be alive."""
    plan = plan_with(next_since=NOW).promote(now=NOW + CACHE, token_seconds=seconds)

    ends = NOW + CACHE + SPREAD_SECONDS + MAX_LEEWAY_SECONDS + max(seconds, WEEK)
    assert plan.only("retiring").safe_at == ends


def test_the_next_key_may_go_at_any_time():
    assert states(plan_with(next_since=NOW).remove(kid(3), now=NOW))[kid(3)] == "gone"


@pytest.mark.parametrize(
    "step",
    [
        lambda plan: plan.add(kid(4), "ES256", now=NOW, token_seconds=1, cache_seconds=CACHE),
        lambda plan: plan.remove(kid(1), now=NOW),
        lambda plan: plan.remove(kid(1), now=NOW, force=True),
        lambda plan: plan.remove(kid(9), now=NOW),
        lambda plan: plan.remove(kid(3), now=NOW).remove(kid(3), now=NOW),
        lambda plan: plan.remove(kid(3), now=NOW).promote(now=NOW, token_seconds=1, force=True),
        lambda plan: plan.remove(kid(3), now=NOW).add(
            kid(3), "ES256", now=NOW, token_seconds=1, cache_seconds=CACHE
        ),
        lambda _: Plan().promote(now=NOW, token_seconds=1),
    ],
    ids=["two next", "active", "active by force", "unknown", "gone", "no next", "again", "none"],
)
def test_a_step_that_leads_nowhere_is_refused(step):
    with pytest.raises(StepError):
        step(plan_with(next_since=NOW))


def test_force_takes_any_step_at_once_and_the_plan_remembers():
    """A key was stolen: its tokens shall break."""
    plan = plan_with(next_since=NOW).promote(now=NOW, token_seconds=WEEK, force=True)
    plan = plan.remove(kid(1), now=NOW, force=True)

    assert states(plan) == {kid(1): "gone", kid(3): "active"}
    again = Plan.model_validate(json.loads(plan.model_dump_json()))
    assert again == plan


def changed(plan, number, **values):
    data = json.loads(plan.model_dump_json())
    for record in data["keys"]:
        if record["kid"] == kid(number):
            record.update(values)
    return data


FORGED = {
    "signs too early": lambda: changed(
        plan_with(retired_since=NOW + 10_000), 2, published_at=NOW + 9_999
    ),
    "goes too early": lambda: changed(
        plan_with(retired_since=NOW + 10_000), 1, state="gone", gone_at=NOW + 10_001
    ),
    "tokens end too early": lambda: changed(
        plan_with(retired_since=NOW + 10_000), 1, tokens_end_at=NOW + 10_001
    ),
    "two active": lambda: changed(
        plan_with(next_since=NOW), 3, state="active", activated_at=NOW, signed_unchecked=True
    ),
    "none active": lambda: changed(
        plan_with(next_since=NOW), 1, state="retiring", retired_at=NOW, tokens_end_at=NOW + ALIVE
    ),
    "active since never": lambda: changed(plan_with(), 1, activated_at=None),
    "next, but retired": lambda: changed(plan_with(next_since=NOW), 3, retired_at=NOW),
    "gone, but when": lambda: changed(plan_with(next_since=NOW), 3, state="gone"),
    "a path for a kid": lambda: changed(plan_with(), 1, kid="../../etc/passwd"),
    "a kid and a line": lambda: changed(plan_with(), 1, kid=kid(1) + "\n"),
    "a symmetric key": lambda: changed(plan_with(), 1, algorithm="HS256"),
    "a time as text": lambda: changed(plan_with(), 1, published_at="0"),
    "another member": lambda: changed(plan_with(), 1, note="x"),
    "another version": lambda: json.loads(plan_with().model_dump_json()) | {"version": 2},
    "one twice": lambda: changed(plan_with(next_since=NOW), 3, kid=kid(1)),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_plan_that_no_steps_lead_to_is_refused(name):
    with pytest.raises(ValueError, match="validation error"):
        Plan.model_validate(FORGED[name]())


def test_a_plan_follows_on_another_by_steps_only():
    before = plan_with(next_since=NOW)
    after = before.promote(now=NOW + CACHE, token_seconds=WEEK)

    before.check_successor(after)
    before.check_successor(after.remove(kid(1), now=NOW + WEEK * 2))
    for earlier, later in [
        (after, before),
        (before, plan_with()),
        (before, plan_with(next_since=NOW - 5)),
        (before.remove(kid(3), now=NOW), before),
        (before, Plan()),
    ]:
        with pytest.raises(StepError):
            earlier.check_successor(later)


def test_a_timer_takes_each_step_when_it_is_safe_and_due():
    """Once an hour for a year: a key signs for a month, and nobody has to think of it."""
    month, plan, signing = 30 * 86400, Plan(), []
    for hour in range(24 * 365):
        now = NOW + hour * 3600
        plan = plan.advance(now=now, token_seconds=WEEK)
        if plan.wants_key(now=now, every_seconds=month):
            plan = plan.add(kid(hour), "ES256", now=now, token_seconds=WEEK, cache_seconds=CACHE)
        if (active := plan.only("active").kid) not in signing:
            signing.append(active)

    assert len(signing) == 13  # One, and twelve changes.
    assert [record.state for record in plan.live()] == ["active", "retiring"]
    assert sum(record.state == "gone" for record in plan.keys) == 11


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "promote", "remove"]),
        st.integers(0, WEEK),
        st.integers(1, 2 * WEEK),
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_steps_are_tried_no_verifier_and_no_token_breaks(steps):
    """A model: which tokens are alive, and which keys every copy of the key set must have."""
    now, plan, signed, published = NOW, Plan(), {}, {}
    for count, (step, wait, life) in enumerate(steps):
        now += wait
        try:
            if step == "add":
                plan = plan.add(
                    kid(count), "ES256", now=now, token_seconds=life, cache_seconds=CACHE
                )
                published[kid(count)] = now
            elif step == "promote":
                before = plan.only("active")
                plan = plan.promote(now=now, token_seconds=life)
                signed[before.kid] = now + SPREAD_SECONDS + max(life, before.token_seconds)
            else:
                retiring = plan.only("retiring")
                plan = plan.remove(retiring.kid if retiring else kid(0), now=now)
        except StepError:
            pass
        active = plan.only("active")
        live = {record.kid for record in plan.live()}
        assert Plan.model_validate(json.loads(plan.model_dump_json())) == plan
        assert all(name in live for name, end in signed.items() if end > now)
        if active is not None and len(plan.keys) > 1 and active.kid != plan.keys[0].kid:
            assert active.activated_at - published[active.kid] >= CACHE


def test_the_waits_cover_what_they_are_for():
    """The largest leeway is the settings'; a process looks long before others count on it."""
    settings_for(jwt_leeway_seconds=MAX_LEEWAY_SECONDS)
    with pytest.raises(ValueError, match="jwt_leeway_seconds"):
        settings_for(jwt_leeway_seconds=MAX_LEEWAY_SECONDS + 1)

    assert STALE_SECONDS + CHECK_SECONDS < SPREAD_SECONDS
    assert MIN_KEY_CACHE_SECONDS >= SPREAD_SECONDS + JWKS_MAX_AGE_SECONDS
    # Ten minutes is what the verifiers of other languages keep a key set for.
    assert settings_for().key_cache_seconds >= SPREAD_SECONDS + 600
    with pytest.raises(ValueError, match="key_cache_seconds"):
        settings_for(key_cache_seconds=MIN_KEY_CACHE_SECONDS - 1)


def test_a_plan_that_does_not_say_how_long_keys_are_cached_waited_as_its_version_did():
    """Plans of version 1.0: a service that is upgraded goes on with its folder."""
    old = json.loads(plan_with(next_since=NOW).model_dump_json())
    for record in old["keys"]:
        del record["cache_seconds"]

    plan = Plan.model_validate(old)

    assert plan.only("next").safe_at == NOW + MIN_KEY_CACHE_SECONDS


def test_the_wait_of_a_key_that_is_published_is_not_shortened_by_hand():
    before = plan_with(next_since=NOW)
    shortened = Plan.model_validate(changed(before, 3, cache_seconds=MIN_KEY_CACHE_SECONDS))

    with pytest.raises(StepError, match="history was changed"):
        before.check_successor(shortened)
