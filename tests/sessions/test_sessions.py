"""Sessions over HTTP: rotation, lost answers, theft, lists, caps and ends."""

from dataclasses import replace

import jwt
import pytest
from conftest import EMAIL, PASSWORD, outcome
from store_records import store_with

from falcon_auth.stores.memory.sessions import MemorySessions

THIRTY_ONE = 31  # Seconds: past the grace for a lost answer, and past the leeway.


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_replaying_a_spent_refresh_token_ends_the_session(client, user, clock, logged):
    """A late replay means theft: even the newest token of the session stops working."""
    second = client.refresh(user)
    clock.advance(seconds=THIRTY_ONE)

    replay = client.refresh(user)

    assert outcome(replay) == (401, "TOKEN_REUSED")
    assert outcome(client.refresh(second)) == (401, "TOKEN_REVOKED")
    assert outcome(client.profile(second)) == (401, "TOKEN_REVOKED")
    assert len(logged.events("refresh_token_reused")) == 1


def test_a_lost_answer_is_given_again_within_the_grace(client, user, clock):
    """The same token, to the letter: the chain never forks."""
    lost = client.refresh(user)
    clock.advance(seconds=30)

    repeated = client.refresh(user)

    assert repeated.json["refresh_token"] == lost.json["refresh_token"]
    assert repeated.json["refresh_expires_at"] == lost.json["refresh_expires_at"]
    assert repeated.json["refresh_expires_in"] == lost.json["refresh_expires_in"] - 30
    assert client.profile(repeated).status_code == 200
    assert client.refresh(repeated).status_code == 200


def test_a_token_whose_successor_was_spent_is_theft_even_within_the_grace(client, user):
    second = client.refresh(user)
    client.refresh(second)

    assert outcome(client.refresh(user)) == (401, "TOKEN_REUSED")


def test_without_grace_any_replay_is_theft(make_client):
    client = make_client(refresh_reuse_grace_seconds=0)
    user = client.register()
    client.refresh(user)

    assert outcome(client.refresh(user)) == (401, "TOKEN_REUSED")


@pytest.mark.parametrize("seconds", [-THIRTY_ONE, THIRTY_ONE])
def test_the_grace_is_a_distance_so_that_a_clock_put_back_does_not_stretch_it(
    client, user, clock, seconds
):
    clock.advance(minutes=10)
    client.refresh(user)
    clock.advance(seconds=seconds)

    assert outcome(client.refresh(user)) == (401, "TOKEN_REUSED")


def test_a_token_ahead_of_its_session_ends_it(client, make_client, user, logged):
    """Only a store that was put back in time can know less than the tokens it issued."""
    store = client.app.service.store
    users, sessions, *_ = store.dump()
    ahead = client.refresh(user)
    put_back = type(store)()
    put_back.load(users, sessions)
    restored = make_client(store=put_back)

    assert outcome(restored.refresh(ahead)) == (401, "TOKEN_REVOKED")
    assert outcome(restored.refresh(user)) == (401, "TOKEN_REVOKED")
    assert logged.events("session_behind_token")


def test_tokens_carry_what_the_contract_says_and_nothing_else(client, user, clock):
    access = claims_of(user.json["access_token"])
    refresh = claims_of(user.json["refresh_token"])

    assert set(access) == {
        "sub",
        "uid",
        "sid",
        "jti",
        "iat",
        "exp",
        "type",
        "auth_time",
        "amr",
    }
    assert set(refresh) == set(access) | {"gen"}
    assert (access["type"], refresh["type"]) == ("access", "refresh")
    assert access["sub"] == EMAIL
    assert access["uid"] == user.json["user"]["id"]
    assert access["exp"] - access["iat"] == user.json["expires_in"] == 900
    assert refresh["exp"] - refresh["iat"] == user.json["refresh_expires_in"] == 7 * 86400
    assert user.json["expires_at"] == access["exp"] == clock.now + 900
    assert user.json["refresh_expires_at"] == refresh["exp"]
    header = jwt.get_unverified_header(user.json["access_token"])
    assert set(header) == {"alg", "typ", "kid"}


def test_access_tokens_expire_after_fifteen_minutes_and_the_leeway(client, user, clock):
    clock.advance(seconds=900 + 29)
    assert client.profile(user).status_code == 200

    clock.advance(seconds=1)

    assert outcome(client.profile(user)) == (401, "TOKEN_EXPIRED")


def test_refresh_tokens_expire_after_seven_days(client, user, clock):
    clock.advance(days=7, seconds=30)

    assert outcome(client.refresh(user)) == (401, "TOKEN_EXPIRED")


def test_a_session_ends_on_its_last_day_however_often_it_was_refreshed(make_client, clock):
    client = make_client(session_max_days=10)
    tokens = client.register()
    clock.advance(days=6)
    tokens = client.refresh(tokens)
    assert tokens.json["refresh_expires_in"] == 4 * 86400
    clock.advance(days=4, seconds=-60)
    tokens = client.refresh(tokens)
    assert tokens.json["expires_in"] == tokens.json["refresh_expires_in"] == 60
    clock.advance(seconds=70)

    assert outcome(client.refresh(tokens)) == (401, "TOKEN_EXPIRED")
    clock.advance(seconds=20)
    assert outcome(client.profile(tokens)) == (401, "TOKEN_EXPIRED")


def test_sessions_are_listed_newest_first_with_the_current_one_marked(client, user, clock):
    clock.advance(minutes=1)
    other = client.login(headers={"User-Agent": "phone/1.0"}, remote_addr="192.0.2.7")

    newest, oldest = client.sessions(user)

    assert (newest["current"], oldest["current"]) == (False, True)
    assert newest["user_agent"] == "phone/1.0"
    assert newest["ip"] == "192.0.2.7"
    assert newest["id"] == claims_of(other.json["access_token"])["sid"]
    assert newest["created_at"] == newest["last_used_at"] > oldest["created_at"]


def test_an_expired_session_is_not_listed(client, user, clock):
    clock.advance(days=7)
    tokens = client.login()

    assert len(client.sessions(tokens)) == 1


def test_ending_one_session_leaves_the_others(client, user, clock):
    other = client.login()
    other_id = claims_of(other.json["access_token"])["sid"]

    ended = client.as_user("DELETE", f"/api/v1/auth/sessions/{other_id}", user)
    again = client.as_user("DELETE", f"/api/v1/auth/sessions/{other_id}", user)

    assert (ended.status_code, again.status_code) == (204, 204)
    assert outcome(client.profile(other)) == (401, "TOKEN_REVOKED")
    assert client.profile(user).status_code == 200


@pytest.mark.parametrize("end", ["ended", "expired"])
@pytest.mark.parametrize("swept", [False, True])
def test_ending_a_session_that_is_over_is_204_for_an_hour_then_404(client, clock, end, swept):
    """Whether the sweep has come by makes no difference."""
    old = client.register()
    path = f"/api/v1/auth/sessions/{claims_of(old.json['access_token'])['sid']}"
    if end == "ended":
        client.logout(old)
    else:
        clock.advance(days=7, seconds=THIRTY_ONE)
    fresh = client.login()

    def end_again():
        if swept:
            client.app.service.sessions.sweep()
        return outcome(client.as_user("DELETE", path, fresh))

    assert end_again() == (204, None)
    clock.advance(minutes=14)
    assert end_again() == (204, None)
    fresh = client.refresh(fresh)
    clock.advance(minutes=14)
    fresh = client.refresh(fresh)
    clock.advance(minutes=14)
    fresh = client.refresh(fresh)
    clock.advance(minutes=14)
    fresh = client.refresh(fresh)
    clock.advance(minutes=3)
    assert end_again() == (204, None)
    clock.advance(minutes=1, seconds=1)
    assert end_again() == (404, "NOT_FOUND")


def test_a_session_that_lives_by_the_leeway_can_be_ended(client, clock):
    old = client.register()
    clock.advance(days=7, seconds=10)
    fresh = client.login()

    client.as_user(
        "DELETE", f"/api/v1/auth/sessions/{claims_of(old.json['access_token'])['sid']}", fresh
    )

    assert outcome(client.refresh(old)) == (401, "TOKEN_REVOKED")


@pytest.mark.parametrize("name", ["unknown", "0" * 36, "..", "%00", "'"])
def test_ending_a_session_that_is_not_there_is_404(client, user, name):
    answer = client.as_user("DELETE", f"/api/v1/auth/sessions/{name}", user)

    assert outcome(answer) == (404, "NOT_FOUND")


def test_nobody_ends_another_users_session(client, user):
    """404, not 403: which ids exist is not told."""
    stranger = client.register("eve@example.com")
    session_id = claims_of(user.json["access_token"])["sid"]

    answer = client.as_user("DELETE", f"/api/v1/auth/sessions/{session_id}", stranger)

    assert outcome(answer) == (404, "NOT_FOUND")
    assert client.profile(user).status_code == 200


def test_ending_all_sessions_ends_this_one_too(client, user):
    other = client.login()

    assert client.as_user("DELETE", "/api/v1/auth/sessions", user).status_code == 204

    for tokens in (user, other):
        assert outcome(client.profile(tokens)) == (401, "TOKEN_REVOKED")
        assert outcome(client.refresh(tokens)) == (401, "TOKEN_REVOKED")


def test_ending_all_also_ends_a_session_that_lives_by_the_leeway(client, user, clock):
    other = client.login()
    clock.advance(days=7, seconds=10)
    fresh = client.login()
    client.as_user("DELETE", "/api/v1/auth/sessions", fresh)

    assert outcome(client.refresh(other)) == (401, "TOKEN_REVOKED")


def test_one_session_too_many_ends_the_least_recently_refreshed(make_client, clock):
    client = make_client(sessions_per_user=2)
    first = client.register()
    clock.advance(seconds=1)
    second = client.login()
    clock.advance(seconds=1)
    first = client.refresh(first)
    clock.advance(seconds=1)

    third = client.login()

    assert outcome(client.profile(second)) == (401, "TOKEN_REVOKED")
    assert client.profile(first).status_code == client.profile(third).status_code == 200
    assert len(client.sessions(third)) == 2


class EndedMeanwhile(MemorySessions):
    """Sessions where somebody logs out between a look at a session and its rotation."""

    def find(self, session_id):
        found = super().find(session_id)
        self.end(session_id, now=0)
        return found


def test_a_log_out_between_the_look_and_the_rotation_wins(make_client):
    client = make_client(store=store_with(sessions=EndedMeanwhile))
    user = client.register()

    assert outcome(client.refresh(user)) == (401, "TOKEN_REVOKED")


def test_a_session_that_the_store_does_not_know_is_over(make_client, user):
    """After a restart in memory, say, with the same key."""
    restarted = make_client()

    assert outcome(restarted.profile(user)) == (401, "TOKEN_REVOKED")
    assert outcome(restarted.refresh(user)) == (401, "TOKEN_REVOKED")
    assert restarted.logout(user).status_code == 204


def test_user_and_session_of_a_token_belong_together(client, user):
    """Signed with the right key, for a session that is somebody else's."""
    service = client.app.service
    caller = service.sessions.authenticate(user.json["access_token"])
    other = replace(caller.user, id="00000000-0000-4000-8000-000000000000")
    access = service.codec.issue_access(other, caller.session).text
    refresh = service.codec.issue_refresh(other, caller.session).text

    assert outcome(client.profile(access)) == (401, "TOKEN_INVALID")
    assert outcome(client.refresh(refresh)) == (401, "TOKEN_INVALID")
    assert outcome(client.logout(refresh)) == (401, "TOKEN_INVALID")
    assert client.profile(user).status_code == 200


@pytest.mark.parametrize("state", ["current", "spent", "expired", "revoked", "swept"])
def test_any_refresh_token_of_the_session_logs_out(client, user, clock, state):
    newest = user
    if state == "spent":
        newest = client.refresh(user)
    if state == "expired":
        clock.advance(days=8)
    if state == "revoked":
        client.logout(user)
    if state == "swept":
        clock.advance(days=8)
        client.app.service.sessions.sweep()

    assert client.logout(user).status_code == 204

    assert client.refresh(newest).status_code == 401
    assert client.profile(newest).status_code == 401


def test_an_access_token_does_not_log_out(client, user):
    assert outcome(client.logout(user.json["access_token"])) == (401, "TOKEN_INVALID")
    assert client.profile(user).status_code == 200


def test_the_two_kinds_of_tokens_do_not_stand_in_for_each_other(client, user):
    assert outcome(client.refresh(user.json["access_token"])) == (401, "TOKEN_INVALID")
    assert outcome(client.profile(user.json["refresh_token"])) == (401, "TOKEN_INVALID")


def test_a_disabled_users_sessions_are_over_at_once(client, user, clock):
    service = client.app.service
    service.store.users.set_active(user.json["user"]["id"], active=False, now=clock())

    assert outcome(client.profile(user)) == (401, "TOKEN_REVOKED")
    assert outcome(client.refresh(user)) == (401, "TOKEN_REVOKED")
    assert outcome(client.login()) == (403, "ACCOUNT_DISABLED")


def test_changing_the_password_ends_every_other_session(client, user):
    other = client.login()

    changed = client.change_password(user, PASSWORD, "staple battery horse")

    assert changed.status_code == 204
    assert client.profile(user).status_code == 200
    assert outcome(client.profile(other)) == (401, "TOKEN_REVOKED")
    assert outcome(client.login()) == (401, "INVALID_CREDENTIALS")
    assert client.login(password="staple battery horse").status_code == 200


def test_sweeping_forgets_expired_and_long_ended_sessions(client, user, clock):
    sessions = client.app.service.sessions
    store = client.app.service.store
    ended = client.login()
    client.logout(ended)
    kept = client.login()

    assert sessions.sweep() is False
    assert len(store.dump()[1]) == 3
    clock.advance(hours=1, seconds=1)
    sessions.sweep()
    assert len(store.dump()[1]) == 2

    clock.advance(days=6)
    client.refresh(kept)
    clock.advance(days=1, seconds=31)
    sessions.sweep()

    assert [each.id for each in store.dump()[1]] == [claims_of(kept.json["access_token"])["sid"]]
