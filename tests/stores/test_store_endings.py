"""An end of sessions that was answered wins over every request that was under way.

Here the steps are made to wait for one another in a known order: what answers first is ahead in
the line, what was under way is behind it. (`test_store_races.py` has the same without an order.)
"""

# ruff: noqa: SLF001 - to hold a lock, and to see who waits for it
# ruff: noqa: B023 - the actions of a race have run before its loop goes on

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from databases import race
from processes import eventually
from sqlalchemy import create_engine, text
from store_records import DAY, NOW, log_in, new_session, new_user

from falcon_auth.stores.sql.store import SqlStore

ROUNDS = 25
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
HOLD_USER = text("SELECT id FROM users FOR UPDATE")
HOLD_SESSION = text("SELECT id FROM sessions WHERE id = :id FOR UPDATE")


@pytest.fixture
def sql_store(database):
    return SqlStore(database)


@pytest.fixture
def owner(sql_store):
    return add_owner(sql_store)


def add_owner(store, name="ada"):
    """Add a user with three open sessions."""
    user = new_user(name)
    sessions = [new_session(user) for _ in range(3)]
    store.users.add(user, sessions[0])
    for session in sessions[1:]:
        log_in(store, user, id=session.id)
    return user, sessions


@contextmanager
def held(database, statement, parameters=None):
    """Hold what the statement locks (on SQLite, the turn to write); gives how many wait for it."""
    if database.kind == "sqlite":
        with database.transaction():
            yield lambda: database._writers.waiting
        return
    engine = create_engine(database.engine.url)
    observer = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with observer, engine.begin() as holder:
        holder.execute(statement, parameters or {})
        yield lambda: observer.scalar(WAITING)
    engine.dispose()


def in_this_order(database, first, second, statement=HOLD_USER, parameters=None):
    """Have both wait for a lock, *first* ahead of *second*; return what each gives."""
    with ThreadPoolExecutor(2) as pool:
        with held(database, statement, parameters) as waiting:
            futures = []
            for action in (first, second):
                futures.append(pool.submit(action))
                assert eventually(lambda: waiting() == len(futures))
        return [future.result() for future in futures]


def end_all(store, user, _sessions):
    return store.sessions.end_all_of(user.id, now=NOW)


def disable(store, user, _sessions):
    return store.users.set_active(user.id, active=False, now=NOW)


def change_password(store, user, sessions, new_hash="new hash"):
    kept = sessions[0].id
    return store.users.change_password(user, new_hash, keep_session=kept, now=NOW)


def change_password_elsewhere(store, user, sessions):
    return change_password(store, user, sessions[1:], "hash of another session")


def open_session(store, user, _sessions):
    return log_in(store, user)[1]


def refresh(store, _user, sessions):
    last = sessions[-1].id
    return store.sessions.rotate(last, expected=0, now=NOW, expires_at=NOW + DAY)


@pytest.mark.parametrize("answered", [end_all, disable, change_password_elsewhere])
def test_what_ended_a_session_wins_over_a_password_change_that_waited(
    database, sql_store, owner, answered
):
    user, sessions = owner

    done, changed = in_this_order(
        database,
        lambda: answered(sql_store, user, sessions),
        lambda: change_password(sql_store, user, sessions),
    )

    assert done
    assert changed is None
    assert sql_store.users.find_by_email(user.email_key).password_hash != "new hash"
    assert sessions[0].id not in live_ids(sql_store, user)


def test_a_log_out_wins_over_a_password_change_that_waited(database, sql_store, owner):
    """The log-out itself waits for nothing but its session: it is answered in between."""
    user, sessions = owner

    def log_out():
        return sql_store.sessions.end(sessions[0].id, now=NOW)

    def change():
        return change_password(sql_store, user, sessions)

    if database.kind == "sqlite":
        ended, changed = in_this_order(database, log_out, change)
    else:
        with ThreadPoolExecutor(1) as pool:
            with held(database, HOLD_USER) as waiting:
                changing = pool.submit(change)
                assert eventually(lambda: waiting() == 1)
                ended = log_out()
            changed = changing.result()

    assert (ended, changed) == (True, None)
    assert sql_store.users.find_by_email(user.email_key).password_hash == user.password_hash
    assert len(live_ids(sql_store, user)) == 2


@pytest.mark.parametrize("answered", [disable, change_password])
def test_what_makes_a_password_void_wins_over_a_log_in_that_waited(
    database, sql_store, owner, answered
):
    user, sessions = owner

    done, opened = in_this_order(
        database,
        lambda: answered(sql_store, user, sessions),
        lambda: open_session(sql_store, user, sessions),
    )

    assert done
    assert opened is None
    assert live_ids(sql_store, user) <= {sessions[0].id}


@pytest.mark.parametrize("answered", [end_all, disable, change_password])
def test_what_ended_a_session_wins_over_a_refresh_that_waited(database, sql_store, owner, answered):
    user, sessions = owner

    done, refreshed = in_this_order(
        database,
        lambda: answered(sql_store, user, sessions),
        lambda: refresh(sql_store, user, sessions),
        HOLD_SESSION,
        {"id": sessions[-1].id},
    )

    assert done
    assert refreshed is None
    assert sessions[-1].id not in live_ids(sql_store, user)


def test_a_log_in_that_waited_for_the_end_of_all_opens_a_session_that_the_next_one_ends(
    database, sql_store, owner
):
    """It proved the password: like one that began after the end, it opens a session."""
    user, sessions = owner

    ended, opened = in_this_order(
        database,
        lambda: end_all(sql_store, user, sessions),
        lambda: open_session(sql_store, user, sessions),
    )

    assert ended == 3
    assert opened is not None
    assert end_all(sql_store, user, sessions) == 1


def test_a_password_change_and_the_end_of_all_agree_on_who_was_first(stores):
    """Whoever comes first: either the change is refused, or the end of all ends its session."""
    for number in range(ROUNDS):
        user, sessions = add_owner(stores[0], f"user{number}")

        changed, ended = race(
            lambda: change_password(stores[0], user, sessions),
            lambda: end_all(stores[1], user, sessions),
        )

        assert (changed is not None, ended) in {(True, 1), (False, 3)}
        assert live_ids(stores[0], user) == set()


@pytest.mark.parametrize("ending", [disable, change_password_elsewhere])
def test_of_a_password_change_and_another_end_no_session_is_left_that_one_ended(stores, ending):
    for number in range(ROUNDS):
        user, sessions = add_owner(stores[0], f"user{number}")

        changed, done = race(
            lambda: change_password(stores[0], user, sessions),
            lambda: ending(stores[1], user, sessions),
        )

        left = live_ids(stores[0], user)
        if ending is disable:
            assert done
            assert left == set()
        else:
            assert changed is not done
            assert left == {sessions[0].id if changed else sessions[1].id}


def live_ids(store, user):
    return {each.id for each in store.sessions.list_live(user.id, now=NOW)}
