"""PostgreSQL does what it was told, and its answer is lost.

A change whose COMMIT happened is answered as done. A single statement is answered 503, and the
repeat finds what it did: a client never gets 409 for its own registration.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from conftest import PASSWORD, outcome
from sqlalchemy import text

from falcon_auth.errors import StoreUnavailableError
from falcon_auth.stores.sql.commits import TransactionNumber, find_outcome

COMMIT = b"COMMIT\0"  # Not BEGIN ISOLATION LEVEL READ COMMITTED.
ROTATION = b"UPDATE sessions SET generation"
CROWD, ROUNDS = 16, 4
UNAVAILABLE = (503, "STORE_UNAVAILABLE")
NEW_PASSWORD = "another horse, another battery"


def outcomes(logged):
    return [line["outcome"] for line in logged.events("commit_unanswered")]


@pytest.mark.parametrize("then", ["hang", "cut"])
def test_a_registration_whose_commit_was_not_answered_is_201(remote, wire, logged, then):
    wire.lose_answer(COMMIT, then=then)

    answer = remote.register()

    assert answer.status_code == 201
    assert outcomes(logged) == ["committed"]
    assert not logged.events("outage")
    assert remote.profile(answer).status_code == 200
    assert remote.refresh(answer).status_code == 200
    assert remote.login().status_code == 200


def test_a_client_cut_off_during_registration_is_registered_once_after_a_retry(remote, wire):
    """Each round cuts all connections when a COMMIT is answered: the others are anywhere then."""

    def register(email):
        for _ in range(100):
            answer = remote.register(email)
            if outcome(answer) != UNAVAILABLE:
                return answer.status_code
            time.sleep(0.05)  # The circuit breaker's time-out is real time.
        return None

    with ThreadPoolExecutor(CROWD) as pool:
        for number in range(ROUNDS):
            wire.lose_answer(COMMIT, then="cut")
            emails = [f"user{number}-{n}@example.com" for n in range(CROWD)]
            assert set(pool.map(register, emails)) == {201}


def test_a_log_in_whose_commit_was_not_answered_is_200(remote, wire, logged):
    user = remote.register()
    wire.lose_answer(COMMIT)

    answer = remote.login()

    assert answer.status_code == 200
    assert outcomes(logged) == ["committed"]
    assert remote.profile(answer).status_code == 200
    assert len(remote.sessions(user)) == 2


def test_a_password_change_whose_commit_was_not_answered_is_204(remote, wire, logged):
    user, elsewhere = remote.register(), remote.login()
    wire.lose_answer(COMMIT)

    answer = remote.change_password(user, PASSWORD, NEW_PASSWORD)

    assert answer.status_code == 204
    assert outcomes(logged) == ["committed"]
    assert remote.profile(user).status_code == 200
    assert outcome(remote.profile(elsewhere)) == (401, "TOKEN_REVOKED")
    assert outcome(remote.login()) == (401, "INVALID_CREDENTIALS")
    assert remote.login(password=NEW_PASSWORD).status_code == 200


def test_ending_all_sessions_whose_commit_was_not_answered_is_204(remote, wire):
    user = remote.register()
    wire.lose_answer(COMMIT, then="cut")

    assert remote.as_user("DELETE", "/api/v1/auth/sessions", user).status_code == 204

    assert outcome(remote.profile(user)) == (401, "TOKEN_REVOKED")


def test_a_refresh_that_was_not_answered_gives_the_same_successor_when_repeated(remote, wire):
    user = remote.register()
    wire.lose_answer(ROTATION)

    assert outcome(remote.refresh(user)) == UNAVAILABLE
    repeated = remote.refresh(user)

    assert repeated.status_code == 200
    (session,) = remote.sessions(repeated)
    assert remote.app.service.store.sessions.find(session["id"])[0].generation == 1
    assert remote.refresh(repeated).status_code == 200


def test_a_log_out_whose_commit_was_not_answered_is_204(remote, wire, logged):
    user = remote.register()
    wire.lose_answer(COMMIT)

    assert remote.logout(user).status_code == 204

    assert outcomes(logged) == ["committed"]
    assert outcome(remote.profile(user)) == (401, "TOKEN_REVOKED")
    assert remote.logout(user).status_code == 204


def test_a_commit_that_never_arrived_is_503_and_can_be_repeated_at_once(remote, wire, logged):
    """The server still holds the transaction open, with its locks, and is told to give it up."""
    wire.lose_request(COMMIT)

    answer = remote.register()

    assert outcome(answer) == UNAVAILABLE
    assert answer.json["detail"] != StoreUnavailableError.outcome_unknown
    assert outcomes(logged) == ["aborted"]
    assert remote.register().status_code == 201


def test_a_503_says_that_the_outcome_is_unknown_if_the_database_cannot_be_asked(
    remote, wire, logged
):
    wire.lose_answer(COMMIT, then="unplug")

    answer = remote.register()

    assert outcome(answer) == UNAVAILABLE
    assert answer.json["detail"] == StoreUnavailableError.outcome_unknown
    assert outcomes(logged) == ["unknown"]
    assert logged.events("outage")[0]["reason"] == "the response to COMMIT was lost"


@pytest.fixture
def connection(postgres_url):
    """A connection in autocommit mode."""
    from falcon_auth.stores.sql.database import open_engine

    engine = open_engine(postgres_url, pool_size=2).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def number_of_own_transaction(connection):
    values = connection.execute(text("SELECT pg_postmaster_start_time(), pg_current_xact_id()"))
    return TransactionNumber(*values.one())


def test_a_number_of_another_server_or_of_the_time_before_a_crash_tells_nothing(connection):
    """The same number may be another transaction's there."""
    number = number_of_own_transaction(connection)
    earlier = TransactionNumber(number.server_started - timedelta(seconds=1), number.number)

    assert find_outcome(connection.engine, number) == "committed"
    assert find_outcome(connection.engine, earlier) == "unknown"


def test_a_number_that_the_server_has_not_reached_tells_nothing(connection):
    number = number_of_own_transaction(connection)
    later = TransactionNumber(number.server_started, str(int(number.number) + 1_000_000))

    assert find_outcome(connection.engine, later) == "unknown"
