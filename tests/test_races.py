"""Many at once: threads that start together on one service."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from conftest import PASSWORD, outcome


def all_at_once(count, do):
    """Run *do(number)* on as many threads, released together; return the results in order."""
    barrier = Barrier(count)

    def run(number):
        barrier.wait()
        return do(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_100_registrations_of_one_address_in_mixed_case_one_succeeds(make_client):
    client = make_client(hash_queue_size=128, rate_limit_registrations=100)

    def mixed(number):
        email = "somebody@example.com"
        return "".join(
            letter.upper() if number >> position & 1 else letter
            for position, letter in enumerate(email)
        )

    answers = all_at_once(100, lambda number: client.register(mixed(number)))

    outcomes = [outcome(answer) for answer in answers]
    assert sorted(status for status, _ in outcomes) == [201] + [409] * 99
    assert {code for status, code in outcomes if status == 409} == {"DUPLICATE_EMAIL"}
    assert len(client.app.service.store.dump()[0]) == 1


def test_of_many_registrations_of_one_user_name_one_succeeds(make_client):
    client = make_client()

    answers = all_at_once(
        20, lambda number: client.register(f"user{number}@example.com", username="Ada")
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    users, sessions, *_ = client.app.service.store.dump()
    assert (len(users), len(sessions)) == (1, 1)


def test_20_threads_that_refresh_one_token_converge(client, user):
    answers = all_at_once(20, lambda _: client.refresh(user))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert all(client.profile(answer).status_code == 200 for answer in answers)
    assert client.refresh(answers[0]).status_code == 200


@pytest.mark.parametrize("attempt", range(20))
def test_a_refresh_that_races_a_log_out_never_leaves_a_live_token(client, user, attempt):
    refreshed, logged_out = all_at_once(
        2, lambda number: client.logout(user) if number else client.refresh(user)
    )

    assert logged_out.status_code == 204
    assert refreshed.status_code in {200, 401}
    if refreshed.status_code == 200:
        assert outcome(client.profile(refreshed)) == (401, "TOKEN_REVOKED")
        assert outcome(client.refresh(refreshed)) == (401, "TOKEN_REVOKED")


def test_concurrent_log_ins_never_exceed_the_cap(make_client):
    client = make_client(sessions_per_user=3, rate_limit_enabled=False)
    client.register()

    answers = all_at_once(20, lambda _: client.login())

    alive = [answer for answer in answers if client.profile(answer).status_code == 200]
    assert len(alive) == 3
    assert len(client.sessions(alive[0])) == 3


def test_log_ins_that_race_a_password_change_leave_no_session_of_the_old_one(make_client):
    client = make_client(rate_limit_enabled=False)
    user = client.register()

    def act(number):
        if number == 0:
            return client.change_password(user, PASSWORD, "staple battery horse")
        return client.login()

    changed, *logins = all_at_once(12, act)

    assert changed.status_code == 204
    assert {login.status_code for login in logins} <= {200, 401}
    for login in logins:
        if login.status_code == 200:
            assert outcome(client.profile(login)) == (401, "TOKEN_REVOKED")
    assert len(client.sessions(user)) == 1


def test_disabling_a_user_races_log_ins(make_client, clock):
    client = make_client(rate_limit_enabled=False)
    user = client.register()
    store = client.app.service.store

    def act(number):
        if number == 0:
            return store.users.set_active(user.json["user"]["id"], active=False, now=clock())
        return client.login()

    _, *logins = all_at_once(12, act)

    for login in logins:
        assert login.status_code in {200, 401, 403}
        if login.status_code == 200:
            assert outcome(client.profile(login)) == (401, "TOKEN_REVOKED")
