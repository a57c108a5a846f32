"""A database that is stopped, hangs, restarts, cuts connections, is locked or full.

What the service owes then: 503 in time, nothing changed, everything else answers, and it goes
on by itself when the database does.
"""

# ruff: noqa: SLF001 - where a library takes no clock, a test moves its time by hand

import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import EMAIL, PASSWORD, outcome
from sqlalchemy import create_engine, event, make_url, text
from stopwatch import timed

from falcon_auth.stores.sql.database import StatementRefusedError

UNAVAILABLE = (503, "STORE_UNAVAILABLE")
MOST_SECONDS = 2.0  # Until a request has its 503.


def recovered(client, token):
    """Try until the circuit breaker lets a request through."""
    for _ in range(40):
        answer = client.profile(token)
        if answer.status_code == 200:
            return True
        assert outcome(answer) == UNAVAILABLE
        time.sleep(0.05)  # The breaker's time-out is real time.
    return False


def test_connections_that_were_cut_are_replaced_before_anyone_notices(remote, wire):
    user = remote.register()
    with ThreadPoolExecutor(6) as pool:  # Several connections lie in the pool.
        list(pool.map(lambda _: remote.profile(user), range(12)))

    wire.cut()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: remote.profile(user).status_code, range(12)))
    assert answers == [200] * 12


def test_connections_that_the_server_ended_are_replaced(remote, postgres_url):
    user = remote.register()
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        ended = connection.scalar(
            text(
                "SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()

    assert ended >= 1
    assert remote.refresh(user).status_code == 200


def test_without_a_server_the_answer_is_503_at_once_and_the_rest_answers(remote, wire, logged):
    user = remote.register()
    wire.unplug()

    for attempt in (
        lambda: remote.profile(user),
        remote.login,
        lambda: remote.register("eve@example.com"),
        lambda: remote.refresh(user),
        lambda: remote.logout(user),
    ):
        answer, took = timed(attempt)
        assert outcome(answer) == UNAVAILABLE
        assert int(answer.headers["Retry-After"]) >= 1
        assert took.had < MOST_SECONDS
    assert remote.simulate_get("/health").status_code == 200
    ready = remote.simulate_get("/health/ready")
    assert ready.status_code == 503
    assert ready.json["checks"]["store"] == {
        "status": "unavailable",
        "kind": "postgresql",
        "breaker": "open",
    }
    assert logged.events("outage")
    assert not logged.events("internal_error")

    wire.plug()

    assert recovered(remote, user)
    assert remote.simulate_get("/health/ready").json["checks"]["store"]["breaker"] == "closed"
    assert remote.login().status_code == 200
    assert outcome(remote.login("eve@example.com")) == (401, "INVALID_CREDENTIALS")


def test_readiness_alone_finds_out_that_the_database_is_back(remote, wire):
    """A balancer that took the service out sends no other requests."""
    wire.unplug()
    for _ in range(6):
        assert remote.simulate_get("/health/ready").status_code == 503
    wire.plug()

    for _ in range(40):
        if remote.simulate_get("/health/ready").status_code == 200:
            return
        time.sleep(0.05)
    pytest.fail("it never became ready again")


def test_a_server_that_takes_connections_and_never_answers_costs_two_seconds_at_most(remote, wire):
    user = remote.register()
    wire.cut()
    wire.freeze()

    answer, took = timed(lambda: remote.profile(user))

    assert outcome(answer) == UNAVAILABLE
    assert took.had < MOST_SECONDS
    wire.thaw()
    assert recovered(remote, user)


def test_a_server_that_hangs_in_the_middle_costs_two_seconds_at_most(remote, wire):
    """The connection lives, the answer never comes: no time-out of the server's helps."""
    user = remote.register()
    assert remote.profile(user).status_code == 200
    wire.freeze()

    answer, took = timed(lambda: remote.profile(user))

    assert outcome(answer) == UNAVAILABLE
    assert took.had < MOST_SECONDS + 0.2
    wire.thaw()
    assert recovered(remote, user)
    assert remote.profile(user).json["email"] == EMAIL  # Its own answer, not one that came late.


def test_threads_do_not_pile_up_behind_a_database_that_hangs(remote, wire):
    """After the first failures the breaker is open: nobody waits, the hundredth neither."""
    user = remote.register()
    wire.freeze()
    with ThreadPoolExecutor(24) as pool:
        waits = list(pool.map(lambda _: timed(lambda: remote.profile(user)), range(24)))
    assert {outcome(answer) for answer, _ in waits} == {UNAVAILABLE}
    assert max(took.had for _, took in waits) < MOST_SECONDS + 1.2

    answers = [timed(lambda: remote.profile(user)) for _ in range(10)]

    assert sum(took.had for _, took in answers) < MOST_SECONDS + 1
    assert timed(lambda: remote.simulate_get("/health"))[1].had < 0.5
    wire.thaw()
    assert recovered(remote, user)


def test_a_locked_row_costs_two_seconds_and_does_not_open_the_breaker(make_client, postgres_url):
    client = make_client(database_url=postgres_url)
    user = client.register()
    engine = create_engine(postgres_url)
    with engine.begin() as holder:
        holder.execute(text("SELECT * FROM users FOR UPDATE"))

        answer, took = timed(client.login)

        assert outcome(answer) == UNAVAILABLE
        assert took.had < MOST_SECONDS + 0.2
        assert client.profile(user).status_code == 200  # Reading goes on.
    engine.dispose()
    assert client.login().status_code == 200
    assert len(client.sessions(user)) == 2  # The refused log-in left nothing.


def test_where_all_connections_are_at_work_the_wait_is_a_second(make_client, postgres_url):
    client = make_client(database_url=postgres_url, database_max_pool_size=1)
    user = client.register()
    with client.app.service.store.users._database.transaction():
        answer, took = timed(lambda: client.profile(user))

    assert outcome(answer) == UNAVAILABLE
    assert took.passed > 0.9
    assert took.had < 1.5
    assert client.profile(user).status_code == 200


def test_a_fault_of_ours_is_not_an_outage(database):
    """A statement that is wrong is a 500 for who looks into the log, not a reason to wait."""
    for _ in range(9):
        with pytest.raises(StatementRefusedError), database.single() as connection:
            connection.execute(text("INSERT INTO sessions (id) VALUES (NULL)"))

    assert database.breaker.state == "closed"
    database.check()


def test_a_transaction_that_fails_leaves_nothing(database):
    def insert_and_fail():
        with database.transaction() as connection:
            connection.execute(text("INSERT INTO counters VALUES ('a', 1, 0, 1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()

    assert database.all(text("SELECT * FROM counters"), {}) == []


# --- SQLite


@pytest.fixture
def on_file(make_client, sqlite_url):
    return make_client(database_url=sqlite_url, rate_limit_registrations=1_000)


def test_a_locked_sqlite_file_can_be_read_and_is_503_for_writers(on_file, sqlite_url):
    user = on_file.register()
    other = sqlite3.connect(make_url(sqlite_url).database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    answer, took = timed(lambda: on_file.refresh(user))

    assert outcome(answer) == UNAVAILABLE
    assert took.had < MOST_SECONDS + 0.3
    assert on_file.profile(user).status_code == 200
    other.execute("ROLLBACK")
    other.close()
    assert on_file.refresh(user).status_code == 200


def test_a_full_disk_is_503_for_writers_and_changes_nothing(on_file, logged):
    user = on_file.register()
    database = on_file.app.service.store.users._database
    database.close()  # The connections from now on find no further page.
    event.listen(
        database.engine,
        "connect",
        lambda connection, _: connection.execute("PRAGMA max_page_count = 1"),
    )

    answers = {
        outcome(on_file.register(f"user{n}@example.com", PASSWORD + "x" * 90)) for n in range(60)
    }

    assert UNAVAILABLE in answers
    assert answers <= {UNAVAILABLE, (201, None)}
    assert on_file.profile(user).status_code == 200
    assert "FULL" in logged.events("statement_failed")[0]["reason"]
    assert not logged.events("internal_error")


def test_a_database_that_was_put_back_in_time_ends_what_it_does_not_know(
    make_client, sqlite_url, tmp_path, clock
):
    """A backup is restored: tokens from after it are refused, those from before it work."""
    client = make_client(database_url=sqlite_url)
    path = make_url(sqlite_url).database
    early, moved = client.register(), client.register("moved@example.com")
    client.app.service.close()  # All in one file.
    shutil.copy(path, tmp_path / "backup.db")
    client = make_client(database_url=sqlite_url)
    successor = client.refresh(client.refresh(moved))
    late = client.register("late@example.com")
    client.app.service.close()
    shutil.copy(tmp_path / "backup.db", path)

    client = make_client(database_url=sqlite_url)

    assert outcome(client.profile(late)) == (401, "TOKEN_REVOKED")
    assert outcome(client.login("late@example.com")) == (401, "INVALID_CREDENTIALS")
    assert client.register("late@example.com").status_code == 201
    assert outcome(client.refresh(successor)) == (401, "TOKEN_REVOKED")
    assert outcome(client.refresh(moved)) == (401, "TOKEN_REVOKED")  # The chain never forks.
    assert client.refresh(early).status_code == 200
