"""The audit trail on every store: bounded failures, queries, retention, deleted users."""

import uuid
from dataclasses import replace

import pytest
from databases import database_for, race
from store_records import NOW, new_session, new_user

from falcon_auth.audit.trail import HOUR, Trail
from falcon_auth.models import AuditEvent, Effects, Failure, time_ordered_id
from falcon_auth.store import FAILURES_PER_HOUR, AuditQuery

THIS_HOUR = int(NOW // HOUR)
ADA, BOB = (str(uuid.uuid4()) for _ in range(2))


def new_event(number=0, **more):
    values = {"id": time_ordered_id(NOW + number), "at": NOW + number, "event": "login.failed"}
    return AuditEvent(**values | more)


def new_failure(*, account="ada", client="192.0.2.7", hour=THIS_HOUR, subject=ADA, **more):
    event = new_event(outcome="failure", subject=subject, ip=client, **more)
    return Failure(event=event, account=account, client=client, hour=hour)


def ids(events):
    return [each.id for each in events]


def sum_up(store, *, before_hour=THIS_HOUR + 1, limit=100):
    """Write what was counted, as housekeeping does; return it."""
    trail = Trail(store.audit, clock=lambda: NOW + HOUR)
    while store.audit.sum_failures(trail.sum_of, before_hour=before_hour, limit=limit):
        pass
    listed = store.audit.list_newest(limit=1000)
    return sorted(
        (each.subject, each.ip, each.event, each.details["count"])
        for each in listed
        if "count" in each.details
    )


# --- Failures in bounded numbers


def test_of_an_accounts_failures_sixty_an_hour_are_kept_and_the_rest_is_one_event(store):
    """From wherever they come: each client has its own share, and none of them is used up."""
    kept = [
        store.audit.append_failure(new_failure(client=f"192.0.2.{number}"))
        for number in range(FAILURES_PER_HOUR + 7)
    ]

    assert kept == [True] * FAILURES_PER_HOUR + [False] * 7
    assert len(store.audit.list_newest(limit=1000)) == FAILURES_PER_HOUR
    assert sum_up(store) == [(ADA, None, "login.failed", 7)]
    (told,) = store.audit.list_newest(AuditQuery(since=NOW + HOUR), limit=9)
    assert (told.outcome, told.actor, told.at) == ("failure", None, NOW + HOUR)
    assert told.details["hour"] == "2027-01-15T08:00:00Z"


def test_of_a_clients_failures_sixty_an_hour_are_kept_whoever_is_tried(store):
    """Known and unknown accounts alike; the sum names the client, and no account."""
    for number in range(FAILURES_PER_HOUR + 5):
        subject = ADA if number % 2 else None
        store.audit.append_failure(new_failure(account=f"user{number}", subject=subject))

    assert len(store.audit.list_newest(limit=1000)) == FAILURES_PER_HOUR
    assert sum_up(store) == [(None, "192.0.2.7", "login.failed", 5)]


def test_every_failure_is_kept_or_counted_once(store):
    """Where both shares are used up, it is counted with the account."""
    tried = 0
    for _ in range(FAILURES_PER_HOUR + 3):
        for account, client in [("a", "c1"), ("a", "c2"), ("b", "c1")]:
            store.audit.append_failure(new_failure(account=account, client=client, subject=None))
            tried += 1

    kept = len(store.audit.list_newest(limit=1000))
    told = store.audit.list_newest(limit=1000)
    assert "count" not in {name for each in told for name in each.details}
    counted = sum(count for *_, count in _sums(store))
    assert (kept + counted, kept) == (tried, FAILURES_PER_HOUR + FAILURES_PER_HOUR // 2)


def _sums(store):
    sums = []

    def write(count):
        sums.append((count.subject, count.ip, count.event, count.count))
        return Effects()

    store.audit.sum_failures(write, before_hour=THIS_HOUR + 1, limit=100)
    return sums


def test_every_hour_has_its_share_and_its_sum(store):
    for hour in (THIS_HOUR, THIS_HOUR + 1):
        for _ in range(FAILURES_PER_HOUR + 1):
            store.audit.append_failure(new_failure(hour=hour))

    assert sum_up(store, before_hour=THIS_HOUR) == []
    assert sum_up(store) == [(ADA, None, "login.failed", 1)]
    assert sum_up(store, limit=1) == [(ADA, None, "login.failed", 1)]  # Not told again.
    assert sum_up(store, before_hour=THIS_HOUR + 2) == [(ADA, None, "login.failed", 1)] * 2


def test_failures_of_several_kinds_share_and_are_summed_apart(store):
    for _ in range(FAILURES_PER_HOUR):
        store.audit.append_failure(new_failure())
    for _ in range(2):
        store.audit.append_failure(new_failure(event="refresh.reused"))
    store.audit.append_failure(new_failure())

    assert sum_up(store, limit=1) == [
        (ADA, None, "login.failed", 1),
        (ADA, None, "refresh.reused", 2),
    ]


def test_a_failure_is_an_effect_of_a_change_too(store):
    user = new_user()
    store.users.add(user, session := new_session(user))
    failure = new_failure(event="refresh.reused")

    assert store.sessions.end(session.id, now=NOW, effects=Effects(failures=(failure,)))
    assert not store.sessions.end(session.id, now=NOW, effects=Effects(failures=(failure,)))

    assert ids(store.audit.list_newest(limit=9)) == [failure.event.id]


def test_two_processes_keep_no_more_than_one(stores):
    """The shares are the store's: a restart begins no new ones, and races exceed none."""
    failures = [new_failure() for _ in range(FAILURES_PER_HOUR - 4)]
    for number, failure in enumerate(failures):
        stores[number % 2].audit.append_failure(failure)

    kept = race(*[lambda n=n: stores[n % 2].audit.append_failure(new_failure()) for n in range(8)])

    assert sorted(kept) == [False] * 4 + [True] * 4
    assert sum_up(stores[0]) == [(ADA, None, "login.failed", 4)]


def test_two_processes_tell_a_sum_once(stores):
    for number in range(FAILURES_PER_HOUR + 1):
        for account in ("a", "b", "c"):
            stores[0].audit.append_failure(new_failure(account=account, client=str(number)))

    race(*[lambda n=n: sum_up(stores[n % 2]) for n in range(4)])

    assert sum_up(stores[0]) == [(ADA, None, "login.failed", 1)] * 3


# --- Queries


@pytest.fixture
def events(store):
    """Six events, a second apart."""
    made = [
        new_event(0, event="user.registered", actor=ADA, subject=ADA),
        new_event(1, event="user.invited", actor=ADA, subject=BOB),
        new_event(2, event="login.failed", outcome="failure", subject=ADA),
        new_event(3, event="login.failed", outcome="failure"),
        new_event(4, event="user.disabled", actor="command", subject=ADA),
        new_event(5, event="session.ended", actor=BOB, subject=BOB),
    ]
    store.audit.append([made[index] for index in (3, 0, 5, 1, 4, 2)])
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (AuditQuery(), [0, 1, 2, 3, 4, 5]),
        (AuditQuery(user=ADA), [0, 1, 2, 4]),
        (AuditQuery(user=BOB), [1, 5]),
        (AuditQuery(subject=ADA), [0, 2, 4]),
        (AuditQuery(user="nonsense"), []),
        (AuditQuery(event="login.failed"), [2, 3]),
        (AuditQuery(user=ADA, event="login.failed"), [2]),
        (AuditQuery(since=NOW + 3), [3, 4, 5]),
        (AuditQuery(user=BOB, since=NOW + 3), [5]),
    ],
)
def test_events_are_found_in_the_order_of_time_page_by_page(store, events, query, expected):
    expected = [events[index].id for index in expected]

    def read(page_of, size):
        found, last = [], None
        while page := page_of(last, size):
            found += ids(page)
            last = page[-1].id
        return found

    def newest(last, size):
        return store.audit.list_newest(query, before=last, limit=size)

    def oldest(last, size):
        return store.audit.list_oldest(query, after=last, limit=size)

    for size in (1, 2, 100):
        assert read(newest, size) == expected[::-1]
        assert read(oldest, size) == expected


def test_an_event_is_read_as_it_was_written(store):
    event = new_event(
        event="factor.added",
        actor=ADA,
        subject=ADA,
        ip="2001:db8::1",
        user_agent="browser",
        request_id="r-1",
        details={"kind": "totp", "all": True, "count": 3, "none": None, "text": "\0 \ud800 ä"},
    )

    store.audit.append([event])

    assert store.audit.list_newest(limit=1) == [event]
    assert store.audit.list_oldest(AuditQuery(user=ADA), limit=1) == [event]


# --- Retention


def test_old_events_go_in_small_steps_and_no_younger_one(store, events):
    assert store.audit.sweep(at_before=NOW + 3.5, limit=3)
    assert ids(store.audit.list_oldest(limit=9)) == ids(events[3:])
    assert not store.audit.sweep(at_before=NOW + 3.5, limit=3)
    assert not store.audit.sweep(at_before=NOW + 3.5, limit=3)

    assert ids(store.audit.list_oldest(limit=9)) == ids(events[4:])


def test_of_several_processes_one_deletes_at_a_time(postgres_url):
    from falcon_auth.stores.sql.database import open_engine
    from falcon_auth.stores.sql.store import SqlStore
    from falcon_auth.stores.sql.sweeping import may_sweep

    first, second = (database_for(open_engine(postgres_url, pool_size=1)) for _ in range(2))
    store = SqlStore(second)
    store.audit.append([new_event()])

    with first.transaction() as connection:
        assert may_sweep(connection)
        assert not store.audit.sweep(at_before=NOW + 1, limit=1)
        assert len(store.audit.list_newest(limit=9)) == 1

    assert store.audit.sweep(at_before=NOW + 1, limit=1)
    for each in (first, second):
        each.close()


def test_the_memory_store_keeps_the_last_ten_thousand():
    from falcon_auth.stores.memory.store import MemoryStore

    store = MemoryStore()
    store.audit.append([new_event(number) for number in range(10_005)])

    assert store.audit.count == 10_000
    assert store.audit.list_oldest(limit=1)[0].at == NOW + 5


def test_a_database_tells_about_how_many_events_there_are(database):
    from sqlalchemy import text

    from falcon_auth.stores.sql.store import SqlStore

    store = SqlStore(database)
    store.audit.append([new_event(number) for number in range(7)])
    if database.kind == "postgresql":
        with database.transaction() as connection:
            connection.execute(text("ANALYZE audit_events"))

    assert not store.audit.recount()

    assert store.audit.count == 7


# --- What is left of a deleted user


def own_and_others(user):
    """Events of a user, and of others; each has an address and a browser."""
    seen = {"ip": "192.0.2.77", "user_agent": "her-browser"}
    own = [
        new_event(0, actor=user.id, subject=user.id, **seen),
        new_event(1, actor=None, subject=user.id, **seen),
        new_event(2, actor=user.id, subject=BOB, **seen),
    ]
    others = [
        new_event(3, actor=BOB, subject=user.id, **seen),
        new_event(4, actor=BOB, subject=BOB, **seen),
        new_event(5, subject=None, **seen),
    ]
    return own, others


def test_events_of_a_deleted_user_keep_ids_only_and_those_of_others_all(store):
    user = new_user()
    store.users.add(user)
    own, others = own_and_others(user)
    store.audit.append([*own, *others])
    deletion = new_event(6, event="user.deleted", actor=user.id, subject=user.id, ip="192.0.2.77")

    store.users.delete(user.id, effects=Effects((deletion,)))

    blanked = [replace(each, ip=None, user_agent=None) for each in [*own, deletion]]
    assert store.audit.list_oldest(limit=9) == [*blanked[:3], *others, blanked[3]]


def test_a_refused_deletion_leaves_the_events_as_they_are(store):
    user = new_user()
    store.users.add(user)
    own, others = own_and_others(user)
    store.audit.append([*own, *others])

    assert store.users.delete(user.id, only_version=7) is None

    assert store.audit.list_oldest(limit=9) == [*own, *others]


def test_of_very_many_events_housekeeping_blanks_the_rest(database):
    """A user with a long history is deleted as fast as others."""
    from falcon_auth.stores.sql import audit_writing
    from falcon_auth.stores.sql.store import SqlStore

    store = SqlStore(database)
    user = new_user()
    store.users.add(user)
    many = 2 * audit_writing.ERASED_AT_ONCE + 10
    store.audit.append(
        [new_event(n, actor=user.id, subject=user.id, ip="192.0.2.77") for n in range(many)]
    )

    store.users.delete(user.id)

    left = many - audit_writing.ERASED_AT_ONCE
    addresses = [each.ip for each in store.audit.list_oldest(limit=left + 1)]
    assert addresses == ["192.0.2.77"] * left + [None]
    while store.audit.erase():
        pass
    assert {each.ip for each in store.audit.list_oldest(limit=many)} == {None}
    assert not store.audit.erase()
