"""Events: one call logs and counts, and a slip in a word is noticed at once."""

from __future__ import annotations

import pytest

from falcon_auth.access.scopes import OWN_SCOPES
from falcon_auth.observability.event_table import EVENTS, METRICS
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.throttle.attempts import LIMITS


@pytest.fixture
def counted():
    """What was counted: metric, labels, amount."""
    return []


@pytest.fixture
def events(counted):
    return Events(lambda *count: counted.append(count))


def test_one_call_logs_and_counts(events, counted, logged):
    events.record("login_failed", reason="password", user_id="u-1")

    (line,) = logged.events("login_failed")
    assert (line["level"], line["reason"], line["user_id"]) == ("warning", "password", "u-1")
    assert counted == [("logins", ("failed", "password"), 1)]


def test_an_event_may_have_happened_several_times_or_not_at_all(events, counted, logged):
    events.record("sessions_ended", reason="revoked", count=3, user_id="u-1")
    events.record("sessions_ended", reason="evicted", count=0, user_id="u-1")

    assert [line["count"] for line in logged.events("sessions_ended")] == [3]
    assert counted == [("sessions_ended", ("revoked",), 3)]


def test_what_every_client_does_is_counted_and_not_logged(events, counted, logged):
    events.record("refreshed", result="rotated")

    assert (counted, logged.lines) == ([("refreshes", ("rotated",), 1)], [])


def test_words_of_tokens_may_be_new_and_some_are_only_worth_an_info(events, counted, logged):
    events.record("token_rejected", reason="expired")
    events.record("token_rejected", reason="some_claim")

    assert [line["level"] for line in logged.lines] == ["info", "warning"]
    assert [labels for _, labels, _ in counted] == [("expired",), ("some_claim",)]


@pytest.mark.parametrize("reason", ["pasword", None])
def test_a_misspelt_or_missing_word_is_refused(events, counted, logged, reason):
    fields = {} if reason is None else {"reason": reason}

    with pytest.raises(ValueError, match="login_failed has no such reason"):
        events.record("login_failed", **fields)

    assert (counted, logged.lines) == ([], [])


def test_without_a_counter_events_are_only_logged(logged):
    LOG_ONLY.record("login_succeeded", user_id="u-1")

    assert logged.events("login_succeeded")


def test_the_table_of_events_fits_the_metrics_and_the_limits():
    """Every series has as many values as its metric has labels; the throttle's limits are known."""
    for name, kind in EVENTS.items():
        assert set(kind.quiet) <= set(kind.words), name
        if kind.metric is not None:
            assert kind.metric in METRICS, name
            assert {len(values) for values in kind.series(name)} == {len(kind.metric.labels)}, name
    assert EVENTS["rate_limited"].words == LIMITS
    assert EVENTS["scope_refused"].words == tuple(sorted(OWN_SCOPES))


def test_changes_of_accounts_and_alarms_are_counted_by_the_name_of_the_event(events, counted):
    events.record("role_granted", user_id="u-1", role="editor")
    events.record("passkey_cloned", user_id="u-1")

    assert counted == [
        ("account_changes", ("role_granted",), 1),
        ("alarms", ("passkey_cloned",), 1),
    ]
