"""SQLite's one writer: turns in order, waits with an end, readers untouched, shared commits."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import outcome
from processes import eventually
from sqlalchemy import event, exc, make_url, text
from stopwatch import timed

from falcon_auth.errors import StoreUnavailableError
from falcon_auth.stores.sql.database import open_engine
from falcon_auth.stores.sql.writer_queue import MOST_IN_GROUP, FairLock, WriterQueue

UNAVAILABLE = (503, "STORE_UNAVAILABLE")
INSERT = text("INSERT INTO counters VALUES (:key, 1, 0, 1)")


@pytest.fixture
def engine(sqlite_url):
    engine = open_engine(sqlite_url, pool_size=2)
    yield engine
    engine.dispose()


@pytest.fixture
def queue(engine):
    queue = WriterQueue(engine, group_seconds=60)  # However slowly a test lines its threads up.
    yield queue
    queue.close()


@pytest.fixture
def commits(engine):
    """Grows with each commit."""
    made = []
    event.listen(engine, "commit", made.append)
    return made


def insert(queue, key):
    with queue.transaction() as connection:
        connection.execute(INSERT, {"key": key})


def stored(engine):
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return set(connection.scalars(text("SELECT key FROM counters")))


def line_up(queue, pool, actions):
    """Have *actions* wait for their turns, in this order; return their futures."""
    futures = []
    for action in actions:
        futures.append(pool.submit(action))
        assert eventually(lambda: queue.waiting == len(futures))
    return futures


def lose(queue, pool, actions):
    """Insert a row, with *actions* waiting in line for the same commit; return all futures."""
    has_turn, others_wait = threading.Event(), threading.Event()

    def insert_first():
        with queue.transaction() as connection:
            connection.execute(INSERT, {"key": "lost"})
            has_turn.set()
            assert others_wait.wait(10)

    first = pool.submit(insert_first)
    assert has_turn.wait(10)
    others = line_up(queue, pool, actions)
    others_wait.set()
    return [first, *others]


# --- The lock


def test_a_fair_lock_goes_to_the_thread_that_waited_longest():
    lock = FairLock()
    order = []
    lock.acquire()

    def take(number):
        assert lock.acquire(10)
        order.append(number)
        lock.release()

    with ThreadPoolExecutor(8) as pool:
        line_up(lock, pool, [lambda number=number: take(number) for number in range(8)])
        lock.release()

    assert order == list(range(8))


def test_a_thread_that_stopped_waiting_for_a_fair_lock_is_skipped():
    lock = FairLock()
    lock.acquire()

    assert not lock.acquire(0.01)
    lock.release()

    assert lock.acquire(0)
    assert not lock.pass_on()  # Nobody is there: it stays with its holder.
    assert not lock.acquire(0)


# --- Turns and commits


def test_transactions_get_their_turns_in_the_order_of_asking(queue):
    order = []

    def write(number):
        with queue.transaction():
            order.append(number)

    with ThreadPoolExecutor(8) as pool, queue.transaction():
        line_up(queue, pool, [lambda number=number: write(number) for number in range(8)])

    assert order == list(range(8))


def test_transactions_that_wait_together_share_a_commit(queue, engine, commits):
    with ThreadPoolExecutor(5) as pool, queue.transaction():
        line_up(queue, pool, [lambda key=key: insert(queue, key) for key in "abcde"])

    assert stored(engine) == set("abcde")
    assert len(commits) == 1


def test_a_group_that_is_old_enough_is_committed_though_others_wait(engine, commits):
    queue = WriterQueue(engine, group_seconds=0)
    with ThreadPoolExecutor(5) as pool, queue.transaction():
        line_up(queue, pool, [lambda key=key: insert(queue, key) for key in "abcde"])
    queue.close()

    assert stored(engine) == set("abcde")
    assert len(commits) == 6


def test_one_commit_takes_64_transactions_at_most(queue, commits):
    count = 2 * MOST_IN_GROUP
    with ThreadPoolExecutor(count) as pool, queue.transaction():
        line_up(queue, pool, [lambda key=key: insert(queue, str(key)) for key in range(count)])

    assert len(commits) == 3  # 64, 64, and the last one.


def test_no_thread_returns_before_the_commit_of_its_change(queue, engine):
    second_waits, second_has_turn, finish = (threading.Event() for _ in range(3))

    def write_first():
        with queue.transaction() as connection:
            connection.execute(INSERT, {"key": "first"})
            assert second_waits.wait(10)

    def write_second():
        with queue.transaction() as connection:
            second_has_turn.set()
            assert finish.wait(10)
            connection.execute(INSERT, {"key": "second"})

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(write_first)
        second = pool.submit(write_second)
        assert eventually(lambda: queue.waiting == 1)
        second_waits.set()
        assert second_has_turn.wait(10)
        seen = stored(engine)
        returned = first.done()
        finish.set()
        first.result()
        assert stored(engine) == {"first", "second"}
        second.result()

    assert (seen, returned) == (set(), False)


def test_a_transaction_that_raises_is_undone_and_the_others_of_its_group_are_kept(queue, engine):
    def insert_and_raise():
        with queue.transaction() as connection:
            connection.execute(INSERT, {"key": "undone"})
            raise ZeroDivisionError

    def insert_twice():
        with queue.transaction() as connection:
            connection.execute(INSERT, {"key": "twice"})
            connection.execute(INSERT, {"key": "twice"})

    with ThreadPoolExecutor(4) as pool, queue.transaction():
        actions = [
            lambda: insert(queue, "a"),
            insert_and_raise,
            insert_twice,
            lambda: insert(queue, "b"),
        ]
        kept, raised, refused, last = line_up(queue, pool, actions)

    assert kept.exception() is None
    assert last.exception() is None
    assert isinstance(raised.exception(), ZeroDivisionError)
    assert isinstance(refused.exception(), exc.IntegrityError)
    assert stored(engine) == {"a", "b"}


def test_of_statements_that_stand_alone_the_one_that_fails_is_undone(queue, engine):
    many = text("INSERT INTO counters SELECT :key || n, 1, 0, 1 FROM (SELECT 1 n UNION SELECT :n)")

    def insert_and_fail():
        with queue.single() as connection:
            connection.execute(INSERT, {"key": "a2"})
            connection.execute(many, {"key": "a", "n": 2})  # The second of its rows is taken.

    with pytest.raises(exc.IntegrityError):
        insert_and_fail()

    assert stored(engine) == {"a2"}


def test_if_the_shared_commit_fails_every_caller_gets_an_error_and_nothing_is_stored(queue, engine):
    """A refusal too: it may have been decided on what is lost now."""
    failing = [True]

    @event.listens_for(engine, "commit")
    def fail(connection):
        if failing:
            connection.exec_driver_sql("SELECT no_such_column")

    def refuse():
        with queue.transaction():
            raise KeyError

    with ThreadPoolExecutor(4) as pool:
        inserted = lose(queue, pool, [lambda: insert(queue, "b"), refuse])
    failing.clear()

    first, second, refused = (future.exception() for future in inserted)
    assert isinstance(first, StoreUnavailableError)
    assert isinstance(second, StoreUnavailableError)
    assert isinstance(refused, exc.OperationalError)  # Its thread made the commit.
    assert stored(engine) == set()
    insert(queue, "d")  # The next one finds a sound connection.
    assert stored(engine) == {"d"}


def test_if_sqlite_rolls_back_the_whole_group_every_caller_gets_an_error(queue, engine):
    """It does so by itself, on a full disk for instance; ROLLBACK stands for that here."""

    def lose_everything():
        with queue.transaction() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("SELECT no_such_column")

    with ThreadPoolExecutor(2) as pool:
        first, loser = lose(queue, pool, [lose_everything])

    assert isinstance(first.exception(), StoreUnavailableError)
    assert isinstance(loser.exception(), exc.OperationalError)
    assert stored(engine) == set()
    insert(queue, "next")
    assert stored(engine) == {"next"}


def test_a_queue_that_was_closed_opens_again(queue, engine):
    insert(queue, "a")
    queue.close()
    queue.close()

    insert(queue, "b")

    assert stored(engine) == {"a", "b"}


# --- Another process that holds the file's lock


@pytest.fixture
def other_process(sqlite_url):
    """A connection that holds the write lock until it rolls back."""
    other = sqlite3.connect(
        make_url(sqlite_url).database, isolation_level=None, check_same_thread=False
    )
    yield other
    other.close()


def test_30_waiting_log_ins_leave_guarded_requests_a_connection(
    make_client, sqlite_url, other_process
):
    client = make_client(
        database_url=sqlite_url, database_max_pool_size=4, rate_limit_enabled=False
    )
    user = client.register()
    queue = client.app.service.store.users._database._writers  # noqa: SLF001 - to see who waits
    other_process.execute("BEGIN IMMEDIATE")

    with ThreadPoolExecutor(30) as pool:
        logins = [pool.submit(client.login) for _ in range(30)]
        assert eventually(lambda: queue.waiting >= 8)
        reads = [timed(lambda: client.profile(user)) for _ in range(10)]

    assert {answer.status_code for answer, _ in reads} == {200}
    assert max(took.had for _, took in reads) < 1
    assert {outcome(login.result()) for login in logins} == {UNAVAILABLE}
    other_process.execute("ROLLBACK")
    assert client.login().status_code == 200
    assert len(client.sessions(user)) == 2  # The refused ones left nothing.


def test_writers_wait_two_seconds_in_total_for_their_turn_and_the_files_lock(queue, other_process):
    other_process.execute("BEGIN IMMEDIATE")

    def write():
        with pytest.raises((exc.OperationalError, StoreUnavailableError)):
            insert(queue, "a")

    with ThreadPoolExecutor(6) as pool:
        waits = [took for _, took in pool.map(lambda _: timed(write), range(6))]

    assert min(took.passed for took in waits) > 1.9
    assert max(took.had for took in waits) < 2.6


def test_a_writer_goes_on_as_soon_as_the_other_process_is_done(queue, engine, other_process):
    other_process.execute("BEGIN IMMEDIATE")

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(insert, queue, key) for key in "abc"]
        assert eventually(lambda: queue.waiting == 2)
        other_process.execute("ROLLBACK")
        _, took = timed(lambda: [future.result() for future in futures])

    assert took.had < 1
    assert stored(engine) == set("abc")
