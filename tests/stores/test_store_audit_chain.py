"""The hash chain of the audit trail on every database: whatever somebody changes is found."""

import uuid
from contextlib import contextmanager
from dataclasses import replace

import pytest
from databases import database_for, race
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from store_records import NOW, new_session, new_user

from falcon_auth.audit import verification
from falcon_auth.audit.verification import Verification
from falcon_auth.models import AuditEvent, Effects, Failure, time_ordered_id
from falcon_auth.store import FAILURES_PER_HOUR
from falcon_auth.store.audit_chain import ChainHead
from falcon_auth.stores.sql.audit_chain import SqlAuditChain
from falcon_auth.stores.sql.database import open_engine
from falcon_auth.stores.sql.store import SqlStore

ADA = str(uuid.uuid4())


def new_event(number=0, **more):
    values = {
        "id": time_ordered_id(NOW + number),
        "at": NOW + number,
        "event": "password.changed",
        "actor": ADA,
        "subject": ADA,
        "ip": "192.0.2.7",
        "user_agent": "browser",
        "request_id": f"r-{number}",
        "details": {"b": 1, "a": True, "text": "\0 \ud800 ä"},
    }
    return AuditEvent(**values | more)


@contextmanager
def opened(url, *, chained=True):
    database = database_for(open_engine(url, pool_size=20), chained=chained)
    yield database
    database.close()


@pytest.fixture
def chained(database_url):
    with opened(database_url) as database:
        yield database


@pytest.fixture
def trail(chained):
    """The chain of ten events, a second apart, written in several transactions."""
    store = SqlStore(chained)
    events = [new_event(number) for number in range(10)]
    for part in (events[:1], events[1:6], events[6:]):
        store.audit.append(part)
    return Trail(chained, store, events)


class Trail:
    """A chained trail, and somebody who can write in its tables."""

    def __init__(self, database, store, events):
        self.database, self.store, self.events = database, store, events

    def run(self, statement, **values):
        with self.database.transaction() as connection:
            return connection.execute(text(statement), values).rowcount

    def set(self, change, *, position, **values):
        """Change an event's row as *change* says."""
        statement = f"UPDATE audit_events SET {change} WHERE position = {position}"  # noqa: S608 - words of these tests
        assert self.run(statement, **values) == 1

    def at(self, position):
        return self.events[position - 1].id

    def found(self, **options):
        return [(each.where, each.what) for each in self.verify(**options)[1]]

    def verify(self, **options):
        return verify(self.database, **options)


def verify(database, **options):
    verified = Verification(SqlAuditChain(database))
    return verified, list(verified.find(**options))


def place(trail, position):
    return f"event {trail.at(position)} at position {position}"


def test_an_untouched_chain_verifies_in_pages_of_any_size(trail, monkeypatch):
    for size in (1, 3, 10, 500):
        monkeypatch.setattr(verification, "PAGE", size)
        verified, found = trail.verify()
        assert (found, verified.count, verified.blanked) == ([], 10, 0)
        assert verified.first == trail.events[0]
        assert verified.head.position == 10


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", NOW - 5),
        ("event", "password.reset"),
        ("outcome", "failure"),
        ("actor", "command"),
        ("actor", None),
        ("subject", None),
        ("request_id", "r-5"),
        ("details", '{"b":2}'),
        ("details", "{"),
        ("details", "7"),
        ("digest", b"x" * 32),
        ("digest", None),
        ("client", b"x" * 32),
        ("client", None),
        ("previous", None),
    ],
)
def test_a_changed_event_is_found(trail, column, value):
    trail.set(f"{column} = :value", position=4, value=value)

    found = trail.found()

    assert (place(trail, 4), verification.CHANGED) in found or column == "digest"
    assert {where for where, _ in found} <= {place(trail, 4), place(trail, 5)}
    assert found


@pytest.mark.parametrize(
    "change", ["ip = '192.0.2.8'", "ip = NULL", "user_agent = 'other'", "salt = NULL"]
)
def test_a_changed_client_is_found(trail, change):
    trail.set(change, position=4)

    assert trail.found() == [(place(trail, 4), verification.CLIENT_CHANGED)]


@pytest.mark.parametrize("column", ["at", "subject", "details", "client", "previous", "salt", "ip"])
def test_what_does_not_fit_its_column_is_found(sqlite_url, column):
    """SQLite keeps any value anywhere."""
    with opened(sqlite_url) as database:
        trail = Trail(database, SqlStore(database), [new_event(number) for number in range(3)])
        trail.store.audit.append(trail.events)
        value = b"\xff" if column in {"ip", "at", "subject"} else "junk"
        trail.set(f"{column} = :value", position=1, value=value)

        assert place(trail, 1) in {where for where, _ in trail.found()}


def test_missing_events_are_found_wherever_they_were(trail):
    trail.run("DELETE FROM audit_events WHERE position IN (1, 4, 5, 10)")

    assert trail.found() == [
        ("position 1", "is missing"),
        ("positions 4 to 5", "are missing"),
        ("position 10", "is missing"),
    ]


def test_a_deleted_end_is_found_where_the_head_is_changed_too(trail):
    trail.run("DELETE FROM audit_events WHERE position > 8")
    trail.run("UPDATE audit_head SET position = 8")

    assert trail.found() == [("position 8", verification.OTHER_END)]


def test_a_chain_of_which_nothing_is_left_is_found(trail):
    trail.run("DELETE FROM audit_events")

    assert trail.found() == [("positions 1 to 10", "are missing")]


def test_closing_a_gap_is_found(trail):
    """Events are renumbered, so that no position is missing."""
    trail.run("DELETE FROM audit_events WHERE position = 5")
    for position in range(6, 11):
        trail.set("position = position - 1", position=position)
    trail.run("UPDATE audit_head SET position = 9")

    assert [(where, what) for where, what in trail.found() if what == verification.UNLINKED] == [
        (f"event {trail.at(6)} at position 5", verification.UNLINKED)
    ]


def test_events_in_another_order_are_found(trail):
    for before, after in [(3, 99), (4, 3), (99, 4)]:
        trail.set("position = :after", position=before, after=after)

    changed = [where for where, what in trail.found() if what == verification.CHANGED]

    assert changed == [
        f"event {trail.at(4)} at position 3",
        f"event {trail.at(3)} at position 4",
    ]


INSERTED = (
    "INSERT INTO audit_events (id, at, event, outcome, details, position, previous, digest, client)"
    " VALUES (:id, :at, 'user.enabled', 'success', '{}', :position, :some, :some, :some)"
)


@pytest.mark.parametrize("position", [None, 0, -3, 11])
def test_an_inserted_event_is_found(trail, position):
    inserted = time_ordered_id(NOW + 4.5)
    name = inserted.replace("-", "") if trail.database.kind == "sqlite" else inserted
    trail.run(INSERTED, id=name, at=NOW + 4.5, position=position, some=b"x" * 32)

    found = trail.found()

    assert {where.split()[1] for where, _ in found} == {inserted}
    expected = verification.BEYOND_END if position == 11 else verification.NO_LINK
    assert expected in {what for _, what in found}


@pytest.mark.parametrize("position", [4.5, "junk", b"junk"])
def test_an_event_between_two_positions_is_found(sqlite_url, position):
    with opened(sqlite_url) as database:
        store = SqlStore(database)
        store.audit.append([new_event(number) for number in range(10)])
        trail = Trail(database, store, [])
        inserted = time_ordered_id(NOW + 4.5)
        name = inserted.replace("-", "")
        trail.run(INSERTED, id=name, at=NOW + 4.5, position=position, some=b"x" * 32)

        assert trail.found() == [(f"event {inserted}", verification.NO_LINK)]


def test_an_event_inserted_where_retention_deleted_is_found(trail):
    trail.store.audit.sweep(at_before=NOW + 3.5, limit=100)
    inserted = time_ordered_id(NOW + 2)
    name = inserted.replace("-", "") if trail.database.kind == "sqlite" else inserted
    trail.run(INSERTED, id=name, at=NOW + 2, position=3, some=b"x" * 32)

    assert (f"event {inserted} at position 3", verification.BEFORE_START) in trail.found()


# --- What may change


def test_retention_keeps_the_chain_verifiable_in_steps_of_any_size(trail):
    """The first event that is kept is the anchor; deleting it as well is found."""
    assert trail.store.audit.sweep(at_before=NOW + 4.5, limit=3)
    assert trail.verify()[0].count == 7
    assert not trail.store.audit.sweep(at_before=NOW + 4.5, limit=3)

    verified, found = trail.verify()
    assert (found, verified.count, verified.first) == ([], 5, trail.events[5])
    trail.run("DELETE FROM audit_events WHERE position = 6")
    assert trail.found() == [("position 6", "is missing")]


def test_retention_may_delete_all_and_the_chain_goes_on(trail):
    trail.store.audit.sweep(at_before=NOW + 100, limit=100)
    verified, found = trail.verify()
    assert (found, verified.count, verified.first) == ([], 0, None)

    trail.store.audit.append([new_event(200)])

    verified, found = trail.verify()
    assert (found, verified.count, verified.head.position) == ([], 1, 11)


def test_retention_leaves_no_gap_where_an_older_event_was_committed_later(chained):
    """The order of commits is not that of ids: what comes after a younger event waits for it."""
    store = SqlStore(chained)
    store.audit.append([new_event(number) for number in (0, 5, 1, 6)])

    store.audit.sweep(at_before=NOW + 3, limit=100)

    assert verify(chained)[1] == []
    assert [each.at for each in store.audit.list_oldest(limit=9)] == [NOW + 1, NOW + 5, NOW + 6]
    store.audit.sweep(at_before=NOW + 5.5, limit=100)
    assert [each.at for each in store.audit.list_oldest(limit=9)] == [NOW + 6]
    assert verify(chained)[1] == []


def test_a_deleted_user_leaves_the_chain_verifiable(chained):
    store = SqlStore(chained)
    user = new_user()
    store.users.add(user)
    store.audit.append([new_event(0, actor=user.id, subject=user.id), new_event(1)])
    deletion = new_event(2, event="user.deleted", actor=user.id, subject=user.id)

    store.users.delete(user.id, effects=Effects((deletion,)))

    verified, found = verify(chained)
    assert (found, verified.count, verified.blanked) == ([], 3, 2)
    blanked = store.audit.list_newest(limit=1)[0]
    assert blanked == replace(deletion, ip=None, user_agent=None)


def test_events_of_the_time_before_are_not_meant_and_a_pause_is_told(database_url):
    with opened(database_url, chained=False) as plain, opened(database_url) as chained:
        SqlStore(plain).audit.append([new_event(0)])
        assert verify(chained)[0].head == ChainHead()
        SqlStore(chained).audit.append([new_event(1), new_event(2)])
        assert verify(chained)[1] == []

        paused = new_event(3)
        SqlStore(plain).audit.append([paused])
        SqlStore(chained).audit.append([new_event(4)])

        verified, found = verify(plain)
        assert [each.where for each in found] == [f"event {paused.id}"]
        assert verified.count == 3
        assert verify(chained, accept_before=NOW + 3.5)[1] == []


def test_retention_deletes_what_is_in_the_chain_and_what_is_not(database_url):
    with opened(database_url, chained=False) as plain, opened(database_url) as chained:
        store = SqlStore(chained)
        SqlStore(plain).audit.append([new_event(0), new_event(1)])
        store.audit.append([new_event(2), new_event(3), new_event(9)])

        assert store.audit.sweep(at_before=NOW + 5, limit=3)
        assert not store.audit.sweep(at_before=NOW + 5, limit=3)

        assert [each.at for each in store.audit.list_oldest(limit=9)] == [NOW + 9]
        assert verify(chained)[1] == []


# --- All that writes, and many at once


def test_every_change_appends_to_the_chain(chained):
    """By changes, by failures within their share, by sums of the others, and by imports."""
    store = SqlStore(chained)
    user = new_user()
    session = new_session(user)
    store.users.add(user, session, effects=Effects((new_event(0),)))
    store.users.add_many([new_user("bob")], events=[new_event(1)])
    for number in range(FAILURES_PER_HOUR + 2):
        failed = Failure(event=new_event(number), account="a", client="c", hour=1)
        store.audit.append_failure(failed)
    ending = Failure(event=new_event(99), account="b", client="d", hour=1)
    store.sessions.end(session.id, now=NOW, effects=Effects(failures=(ending,)))
    store.audit.sum_failures(lambda count: Effects((new_event(100),)), before_hour=9, limit=9)

    verified, found = verify(chained)

    assert (found, verified.count) == ([], 2 + FAILURES_PER_HOUR + 1 + 1)


def test_an_undone_change_leaves_no_gap(trail):
    def fail():
        with trail.database.transaction() as connection:
            from falcon_auth.stores.sql.audit_writing import insert_events

            insert_events(connection, [new_event(20)])
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    trail.store.audit.append([new_event(21)])

    verified, found = trail.verify()
    assert (found, verified.count) == ([], 11)


def test_many_threads_of_two_processes_write_one_chain_while_it_is_read(database_url):
    """Retention and deletions go on meanwhile, and nobody waits for each other in a circle."""
    with opened(database_url) as first, opened(database_url) as second:
        stores = [SqlStore(first), SqlStore(second)]
        users = [new_user(f"user{number}") for number in range(4)]
        for user in users:
            stores[0].users.add(user)
        stores[0].audit.append([new_event(-100 + number) for number in range(10)])

        def write(number):
            for step in range(3):
                made = new_event(number * 10 + step, actor=users[number % 4].id)
                stores[number % 2].audit.append([made])
                failed = Failure(event=new_event(number), account="a", client="c", hour=1)
                stores[number % 2].audit.append_failure(failed)

        def delete(number):
            effects = Effects((new_event(0, subject=users[number].id, actor=None),))
            return stores[number % 2].users.delete(users[number].id, effects=effects)

        results = race(
            *[lambda n=n: write(n) for n in range(14)],
            *[lambda n=n: delete(n) for n in range(4)],
            lambda: stores[1].audit.sweep(at_before=NOW - 50, limit=6),
            lambda: verify(second)[1],
        )

        assert [each for each in results if isinstance(each, Exception)] == []
        assert results[-1] == []
        verified, found = verify(first)
        assert found == []
        assert verified.head.position == 10 + 14 * 3 + 14 * 3 + 4


def test_without_the_setting_no_statement_knows_of_a_chain(database):
    """Neither is its end locked, nor one of its columns written or read."""
    statements = []
    sqlalchemy_event.listen(
        database.engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    store = SqlStore(database)
    user = new_user()
    store.users.add(user, new_session(user), effects=Effects((new_event(0),)))
    failed = Failure(event=new_event(1), account="a", client="c", hour=1)
    store.audit.append_failure(failed)
    assert len(store.audit.list_newest(limit=9)) == 2

    assert statements
    assert not [each for each in statements if "audit_head" in each]
    assert not [each for each in statements if "audit_" in each and "digest" in each]
