"""The outbox on every store: who is next, for whom, for how long, and what becomes of the rest."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event, Thread

import pytest
from databases import database_for, race
from delivery_words import new_message
from processes import eventually
from sqlalchemy import text
from store_records import NOW, new_user

from falcon_auth.models import Effects
from falcon_auth.store import MAX_WAITING_PER_USER, OutboxCount
from falcon_auth.store.outbox import ROOM_FOR_OTHERS
from falcon_auth.stores.memory import outbox_table
from falcon_auth.stores.memory.outbox_table import OutboxTable
from falcon_auth.stores.memory.store import MemoryStore

ADA, EVE = new_user("ada"), new_user("eve")
LEASE = 30
WAITING_LOCKS = text("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


def queue(store, *messages):
    store.outbox.add(messages)
    return messages


def lease(store, now=NOW, channel="mail"):
    return store.outbox.lease(channel, now=now, until=now + LEASE)


def drain(store, now=NOW):
    """Deliver everything that is due; return the topics in their order."""
    topics = []
    while (leased := lease(store, now)) is not None:
        topics.append(leased.topic)
        assert store.outbox.remove_delivered(leased)
    return topics


# --- Leases


def test_a_lease_is_the_message_counted_and_due_again_when_it_ends(store):
    (message,) = queue(store, new_message(ADA))

    assert lease(store) == replace(message, attempts=1, due_at=NOW + LEASE)
    assert store.outbox.list_waiting(limit=9) == [replace(message, attempts=1, due_at=NOW + LEASE)]


def test_nothing_is_leased_from_an_empty_outbox_or_for_another_channel(store):
    assert lease(store) is None

    queue(store, new_message(ADA))

    assert lease(store, channel="webhook") is None
    assert lease(store) is not None


def test_a_message_that_is_not_due_yet_is_left(store):
    queue(store, new_message(ADA, due_at=NOW + 5))

    assert lease(store, NOW + 4.9) is None
    assert lease(store, NOW + 5) is not None


def test_a_leased_message_is_not_leased_again_until_its_lease_ends(store):
    queue(store, new_message(ADA))
    first = lease(store)

    assert lease(store, NOW + LEASE - 0.1) is None
    second = lease(store, NOW + LEASE)

    assert (second.id, second.attempts) == (first.id, 2)


def test_a_lease_that_was_over_changes_nothing_any_more(store):
    """A worker that slept too long must not undo what the next one does."""
    queue(store, new_message(ADA))
    late = lease(store)
    current = lease(store, NOW + LEASE)

    assert not store.outbox.remove_delivered(late)
    assert not store.outbox.postpone(late, due_at=NOW, error="late")
    assert not store.outbox.give_up(late, now=NOW, error="late")

    assert store.outbox.list_waiting(limit=9) == [current]
    assert store.outbox.remove_delivered(current)
    assert not store.outbox.remove_delivered(current)


def test_the_messages_of_a_user_leave_one_after_the_other_in_their_order(store):
    queue(store, *(new_message(ADA, topic=str(n), due_at=NOW - n) for n in range(3)))

    first = lease(store)

    assert (first.topic, lease(store)) == ("0", None)
    store.outbox.remove_delivered(first)
    assert drain(store) == ["1", "2"]


def test_a_postponed_message_blocks_later_ones_of_the_same_user_only(store):
    queue(store, new_message(ADA, topic="a1"), new_message(ADA, topic="a2"))
    queue(store, new_message(EVE, topic="e1"), new_message(None, topic="n1"))
    queue(store, new_message(None, topic="n2"))

    store.outbox.postpone(lease(store), due_at=NOW + 60, error="greylisted")

    assert drain(store) == ["e1", "n1", "n2"]
    assert [each.error for each in store.outbox.list_waiting(limit=9)] == ["greylisted", None]
    assert drain(store, NOW + 60) == ["a1", "a2"]


def test_the_channels_of_a_user_do_not_wait_for_each_other(store):
    queue(store, new_message(ADA), new_message(ADA, channel="webhook"))

    assert lease(store).channel == "mail"
    assert lease(store, channel="webhook").channel == "webhook"


# --- What failed


def test_a_failed_message_stays_visible_and_gives_way_to_the_later_ones(store):
    queue(store, new_message(ADA, topic="a1"), new_message(ADA, topic="a2"))
    store.outbox.give_up(lease(store), now=NOW + 1, error="refused")

    assert drain(store) == ["a2"]

    (failed,) = store.outbox.list_failed(limit=9)
    assert (failed.topic, failed.failed_at, failed.error) == ("a1", NOW + 1, "refused")
    assert store.outbox.list_waiting(limit=9) == []


def test_a_failed_message_that_is_retried_goes_before_the_later_ones(store):
    queue(store, *(new_message(ADA, topic=topic) for topic in ("a1", "a2", "a3")))
    for _ in range(2):
        store.outbox.give_up(lease(store), now=NOW, error="refused")

    assert store.outbox.retry(None, now=NOW + 9) == 2

    assert store.outbox.list_failed(limit=9) == []
    assert store.outbox.list_waiting(limit=1)[0].attempts == 0
    assert drain(store, NOW + 9) == ["a1", "a2", "a3"]


def test_only_the_failed_messages_that_are_named_are_retried(store):
    one, two, waiting = queue(store, *(new_message(user) for user in (ADA, EVE, None)))
    for _ in (one, two):
        store.outbox.give_up(lease(store), now=NOW, error="refused")

    assert store.outbox.retry([two.id, waiting.id, "unknown"], now=NOW) == 1

    assert [each.id for each in store.outbox.list_failed(limit=9)] == [one.id]


def test_failed_messages_are_forgotten_after_their_time_and_no_others(store):
    queue(store, new_message(ADA), new_message(EVE), new_message(None))
    store.outbox.give_up(lease(store), now=NOW, error="refused")
    store.outbox.give_up(lease(store), now=NOW + 10, error="refused")

    assert store.outbox.sweep_failed(failed_before=NOW + 10) == 1
    assert store.outbox.sweep_failed(failed_before=NOW + 10) == 0

    assert len(store.outbox.list_failed(limit=9)) == 1
    assert len(store.outbox.list_waiting(limit=9)) == 1


def test_the_outbox_counts_what_waits_and_what_failed_by_channel(store):
    assert store.outbox.counts() == []
    queue(store, new_message(ADA), new_message(EVE), new_message(ADA, created_at=NOW + 5))
    queue(store, new_message(ADA, channel="webhook"))
    store.outbox.give_up(lease(store), now=NOW, error="refused")
    webhook = lease(store, channel="webhook")
    store.outbox.give_up(webhook, now=NOW, error="refused")

    assert store.outbox.counts() == [
        OutboxCount("mail", 2, 1, NOW),
        OutboxCount("webhook", 0, 1, None),
    ]


# --- Bounds


def test_one_user_cannot_fill_the_outbox(store, logged):
    queue(store, *(new_message(ADA, topic=str(n)) for n in range(MAX_WAITING_PER_USER + 2)))
    queue(store, new_message(EVE), new_message(ADA, channel="webhook"))

    assert {each.channel: each.waiting for each in store.outbox.counts()} == {
        "mail": MAX_WAITING_PER_USER + 1,
        "webhook": 1,
    }
    dropped = [line["topic"] for line in logged.events("message_dropped")]
    assert dropped == [str(MAX_WAITING_PER_USER), str(MAX_WAITING_PER_USER + 1)]


def test_what_others_do_to_a_user_is_not_crowded_out_by_what_the_user_does(store, logged):
    """Else somebody could rename their account until no webhook tells that it is deleted."""
    for topic, amount in (("user.renamed", MAX_WAITING_PER_USER + 1), ("user.deleted", 1)):
        queue(store, *(new_message(ADA, channel="webhook", topic=topic) for _ in range(amount)))
    full = [new_message(ADA, channel="webhook", topic="role.granted")] * ROOM_FOR_OTHERS
    queue(store, *(replace(each, id=str(uuid.uuid4())) for each in full))

    (count,) = store.outbox.counts()
    dropped = [line["topic"] for line in logged.events("message_dropped")]
    assert count.waiting == MAX_WAITING_PER_USER + ROOM_FOR_OTHERS
    assert dropped == ["user.renamed", "role.granted"]


def test_the_outbox_in_memory_is_bounded(logged):
    table = OutboxTable()
    message = new_message(None)
    for number in range(outbox_table.MAX_MESSAGES + 1):
        table.add(replace(message, id=str(number)))

    assert len(table.by_id) == outbox_table.MAX_MESSAGES
    assert len(logged.events("message_dropped")) == 1


# --- Races


def test_of_many_workers_none_gets_a_message_that_another_has(stores):
    queue(stores[0], *(new_message(new_user(str(n))) for n in range(3)))

    leased = race(*(lambda store=store: lease(store) for store in stores * 4))

    ids = [each.id for each in leased if each is not None]
    assert len(ids) == len(set(ids)) >= 1
    assert not [each for each in leased if isinstance(each, Exception)]


def test_workers_deliver_each_message_once_and_each_user_s_in_order(stores):
    users = [new_user(str(n)) for n in range(7)]
    topics = [f"{n}" for n in range(6)]
    for topic in topics:
        queue(stores[0], *(new_message(user, topic=topic) for user in users))
    delivered = []

    def work(store):
        while store.outbox.counts():
            leased = lease(store)
            if leased is not None:
                delivered.append((leased.user_id, leased.topic))
                assert store.outbox.remove_delivered(leased)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, stores * 2))

    assert set(Counter(delivered).values()) == {1}
    for user in users:
        assert [topic for user_id, topic in delivered if user_id == user.id] == topics


def test_messages_of_a_user_are_ordered_by_their_commits_on_postgresql(postgres_url):
    """Positions are drawn at the insert: without a lock, the later one could be seen first."""
    from falcon_auth.stores.sql.database import open_engine
    from falcon_auth.stores.sql.effects import write_effects
    from falcon_auth.stores.sql.store import SqlStore

    database = database_for(open_engine(postgres_url, pool_size=4))
    store = SqlStore(database)
    written, may_commit = Event(), Event()

    def write_slowly():
        with database.transaction() as connection:
            write_effects(connection, Effects(messages=(new_message(ADA, topic="first"),)))
            written.set()
            may_commit.wait(10)

    slow = Thread(target=write_slowly)
    slow.start()
    written.wait(10)
    quick = Thread(target=queue, args=(store, new_message(ADA, topic="second")))
    quick.start()
    queue(store, new_message(EVE, topic="of another user"))  # Waits for nobody.
    waits = eventually(lambda: database.one(WAITING_LOCKS, {}))
    seen = drain(store)
    may_commit.set()
    slow.join()
    quick.join()

    assert waits
    assert seen == ["of another user"]
    assert drain(store) == ["first", "second"]
    database.close()


# --- The snapshot


def test_a_snapshot_keeps_the_outbox(tmp_path):
    from falcon_auth.stores.memory.snapshot import Snapshot

    store = MemoryStore()
    snapshot = Snapshot(tmp_path / "users.json", store)
    snapshot.load()
    queue(store, new_message(ADA, topic="a1"), new_message(ADA, topic="a2"), new_message(EVE))
    store.outbox.give_up(lease(store), now=NOW, error="refused")
    leased = lease(store)
    snapshot.close()

    again = MemoryStore()
    reopened = Snapshot(tmp_path / "users.json", again)
    reopened.load()
    reopened.close()

    assert again.dump() == store.dump()
    assert again.outbox.remove_delivered(leased)
    assert [each.topic for each in again.outbox.list_failed(limit=9)] == ["a1"]


def test_a_snapshot_with_a_message_twice_refuses_the_start():
    message = new_message(ADA)

    with pytest.raises(ValueError, match="message twice"):
        MemoryStore().load([], [], [message, message])
