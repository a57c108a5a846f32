"""The delivery thread: what it tries, how often, and what it leaves for later."""

import threading
from dataclasses import dataclass, field

import pytest
from conftest import START
from databases import race
from delivery_words import new_message
from processes import eventually
from store_records import new_user

from falcon_auth.delivery.channel import (
    MAIL_PAUSES,
    PermanentDeliveryError,
    ServerAwayError,
    TemporaryDeliveryError,
)
from falcon_auth.delivery.dispatcher import (
    BATCH,
    COUNT_SECONDS,
    KEPT_SECONDS,
    LEASE_SECONDS,
    Dispatcher,
)
from falcon_auth.errors import StoreUnavailableError
from falcon_auth.stores.memory.store import MemoryStore

ADA, EVE = new_user("ada"), new_user("eve")
BUSY = TemporaryDeliveryError("recipient refused (451)")
GONE = PermanentDeliveryError("recipient refused (550)")
AWAY = ServerAwayError("server: ConnectionRefusedError")


@dataclass
class Receiver:
    """A channel that does as it is told: an exception each time, or None."""

    pauses = MAIL_PAUSES

    outcomes: list = field(default_factory=list)
    delivered: list = field(default_factory=list)
    rests: int = 0

    def deliver(self, message):
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.delivered.append(message.topic)

    def rest(self):
        self.rests += 1


@dataclass
class Desk:
    """An outbox with a dispatcher that is asked to work, not started."""

    clock: object
    store: object
    receiver: Receiver
    dispatcher: Dispatcher
    counted: list

    def queue(self, *messages):
        self.store.outbox.add(messages)

    def work(self):
        return self.dispatcher.deliver_due()


@pytest.fixture
def desk_of(clock):
    made = []

    def make(store=None, *, channels=None, **options):
        receiver, counted = Receiver(), []
        store = MemoryStore() if store is None else store
        dispatcher = Dispatcher(
            store.outbox,
            {"mail": receiver} if channels is None else channels,
            clock=clock,
            count=lambda *of: counted.append(of),
            **options,
        )
        made.append(dispatcher)
        return Desk(clock, store, receiver, dispatcher, counted)

    yield make
    for dispatcher in made:
        dispatcher.stop()


@pytest.fixture
def desk(desk_of):
    return desk_of()


def message_to(user=ADA, **more):
    return new_message(user, **({"created_at": START, "due_at": START} | more))


# --- Outcomes


def test_what_is_due_is_delivered_and_forgotten(desk, logged):
    desk.queue(message_to(topic="a1"), message_to(EVE, topic="e1"), message_to(topic="a2"))

    assert desk.work() == 3

    assert sorted(desk.receiver.delivered) == ["a1", "a2", "e1"]
    assert desk.store.outbox.counts() == []
    assert desk.counted.count(("mail", "a1", "delivered")) == 1
    assert len(logged.events("message_delivered")) == 3
    assert desk.receiver.rests == 1
    assert desk.work() == 0


def test_a_message_refused_for_now_is_tried_with_growing_pauses_up_to_a_day_then_given_up(
    desk, logged
):
    """Greylisting wants some minutes; a mailbox that is full for a day may still get it."""
    desk.queue(message_to())
    desk.receiver.outcomes = [BUSY] * (len(MAIL_PAUSES) + 1)

    for pause in MAIL_PAUSES:
        assert desk.work() == 1
        desk.clock.advance(seconds=pause - 1)
        assert desk.work() == 0
        desk.clock.advance(seconds=1)
    assert desk.work() == 1

    assert sorted(MAIL_PAUSES) == list(MAIL_PAUSES)
    assert MAIL_PAUSES[-1] == 24 * 3600
    (failed,) = desk.store.outbox.list_failed(limit=9)
    assert (failed.error, failed.attempts) == (str(BUSY), len(MAIL_PAUSES) + 1)
    results = [result for _, _, result in desk.counted]
    assert results == ["postponed"] * len(MAIL_PAUSES) + ["failed"]
    assert logged.events("message_failed")[0]["reason"] == str(BUSY)


def test_a_greylisted_message_is_delivered_when_it_is_tried_again(desk):
    desk.queue(message_to())
    desk.receiver.outcomes = [BUSY]
    desk.work()

    desk.clock.advance(seconds=MAIL_PAUSES[0])
    desk.work()

    assert desk.receiver.delivered == ["password_changed"]


def test_a_message_refused_for_good_is_given_up_at_once_and_the_user_s_next_one_goes(desk):
    desk.queue(message_to(topic="a1"), message_to(topic="a2"))
    desk.receiver.outcomes = [GONE]

    desk.work()

    assert desk.receiver.delivered == ["a2"]
    assert [each.topic for each in desk.store.outbox.list_failed(limit=9)] == ["a1"]


def test_a_fault_of_our_own_stops_no_other_message(desk):
    desk.queue(message_to(topic="a1"), message_to(EVE, topic="e1"))
    desk.receiver.outcomes = [RuntimeError("secret")]

    desk.work()

    assert desk.receiver.delivered == ["e1"]
    assert desk.store.outbox.list_waiting(limit=9)[0].error == "unforeseen: RuntimeError"


def test_failed_messages_are_forgotten_after_a_month(desk_of, clock):
    desk = desk_of(poll_seconds=0.01)
    desk.queue(message_to(due_at=START))
    desk.receiver.outcomes = [GONE]
    desk.dispatcher.ensure_running()
    assert eventually(lambda: desk.store.outbox.list_failed(limit=9))

    clock.advance(seconds=KEPT_SECONDS + COUNT_SECONDS)

    assert eventually(lambda: not desk.store.outbox.list_failed(limit=9))


# --- The server away


def test_a_server_that_is_away_is_left_alone_for_a_while_and_then_tried_by_one_message(desk_of):
    desk = desk_of(threshold=3, timeout=30)
    desk.queue(*(message_to(new_user(str(n))) for n in range(9)))
    desk.receiver.outcomes = [AWAY] * 4

    assert desk.work() == 3
    assert desk.dispatcher.state("mail") == "open"
    assert desk.work() == 0
    desk.clock.advance(seconds=30)
    assert desk.dispatcher.state("mail") == "half_open"
    assert desk.work() == 1  # Still away.
    desk.clock.advance(seconds=30)
    assert desk.work() == 8  # Back: the other five, and the first three again.

    assert desk.dispatcher.state("mail") == "closed"


def test_a_refusal_is_an_answer_and_closes_the_circuit(desk_of):
    desk = desk_of(threshold=2)
    desk.queue(*(message_to(new_user(str(n))) for n in range(6)))
    desk.receiver.outcomes = [AWAY, BUSY, AWAY, GONE, AWAY]

    assert desk.work() == 6
    assert desk.dispatcher.state("mail") == "closed"


def test_one_channel_s_dead_server_does_not_hold_up_another(desk_of):
    mail, webhook = Receiver(outcomes=[AWAY] * 9), Receiver()
    desk = desk_of(channels={"mail": mail, "webhook": webhook}, threshold=1)
    desk.queue(message_to(), message_to(EVE), message_to(channel="webhook"))

    desk.work()

    assert webhook.delivered == ["password_changed"]
    assert [desk.dispatcher.state(each) for each in ("mail", "webhook")] == ["open", "closed"]


def test_a_channel_with_much_to_do_gives_the_next_its_turn(desk_of):
    order = []
    mail, webhook = Receiver(delivered=order), Receiver(delivered=order)
    desk = desk_of(channels={"mail": mail, "webhook": webhook})
    desk.queue(*(message_to(new_user(str(n)), topic="mail") for n in range(BATCH + 1)))
    desk.queue(message_to(channel="webhook", topic="webhook"))

    desk.work()

    assert order == ["mail"] * BATCH + ["webhook", "mail"]


# --- The thread


def test_a_message_that_was_announced_goes_out_without_waiting_for_the_next_poll(desk_of):
    desk = desk_of(poll_seconds=3600)
    desk.dispatcher.ensure_running()
    assert eventually(lambda: desk.receiver.rests)  # It has looked once, and would sleep.

    desk.dispatcher.expect()  # As `Mails` does, before the message is stored.
    rests = desk.receiver.rests
    assert eventually(lambda: desk.receiver.rests > rests)  # It looked too early, and looks again.
    desk.queue(message_to())

    assert eventually(lambda: desk.receiver.delivered)


def test_what_another_process_queued_is_found_by_polling(desk_of):
    desk = desk_of(poll_seconds=0.01)
    desk.dispatcher.ensure_running()
    desk.queue(message_to())

    assert eventually(lambda: desk.receiver.delivered)


def test_one_thread_is_started_however_many_ask(desk):
    before = threading.active_count()

    race(*[desk.dispatcher.ensure_running] * 8)

    assert threading.active_count() == before + 1


def test_a_stopped_dispatcher_delivers_no_more_and_cannot_be_started(desk):
    desk.dispatcher.ensure_running()
    desk.dispatcher.stop()
    before = threading.active_count()
    desk.queue(message_to())

    desk.dispatcher.expect()

    assert desk.work() == 0
    assert threading.active_count() == before


def test_the_message_under_way_is_finished_before_the_thread_ends(desk_of, clock):
    begun, may_end = threading.Event(), threading.Event()

    class Slow(Receiver):
        def deliver(self, message):
            begun.set()
            may_end.wait(10)
            super().deliver(message)

    slow = Slow()
    desk = desk_of(channels={"mail": slow})
    desk.queue(message_to(), message_to(EVE))
    desk.dispatcher.expect()
    begun.wait(10)
    stopping = threading.Thread(target=desk.dispatcher.stop)
    stopping.start()
    may_end.set()
    stopping.join(10)

    assert not stopping.is_alive()
    assert len(slow.delivered) == 1
    assert len(desk.store.outbox.list_waiting(limit=9)) == 1


@pytest.mark.parametrize("error", [StoreUnavailableError(), RuntimeError("secret")])
def test_the_thread_outlives_a_store_that_fails(desk_of, error, logged):
    desk = desk_of(poll_seconds=0.01)
    outbox = desk.store.outbox
    failures = [error] * 3

    class Failing:
        def __getattr__(self, name):
            if name == "lease" and failures:
                raise failures.pop()
            return getattr(outbox, name)

    desk.dispatcher._outbox = Failing()  # noqa: SLF001 - the store behind it fails now
    desk.dispatcher.ensure_running()
    desk.queue(message_to())

    assert eventually(lambda: desk.receiver.delivered)
    assert "secret" not in logged.text


def test_the_figures_are_those_of_a_moment_ago(desk_of, clock):
    desk = desk_of(poll_seconds=0.01)
    assert desk.dispatcher.counted("mail").waiting == 0
    desk.queue(message_to(due_at=START + 9999), message_to(EVE, due_at=START + 9999))

    desk.dispatcher.ensure_running()

    assert eventually(lambda: desk.dispatcher.counted("mail").waiting == 2)
    assert desk.dispatcher.counted("mail").oldest_at == START


# --- Several processes


def test_two_processes_deliver_each_message_once(stores, clock):
    """Two dispatchers on one database, each with its own connections, at the same time."""
    users = [new_user(str(n)) for n in range(20)]
    stores[0].outbox.add(
        [message_to(user, topic=f"{user.id}-{n}") for n in range(3) for user in users]
    )
    delivered = []

    def channel():
        return {"mail": Receiver(delivered=delivered)}

    dispatchers = [Dispatcher(store.outbox, channel(), clock=clock) for store in stores]
    while stores[0].outbox.counts():
        results = race(*(dispatcher.deliver_due for dispatcher in dispatchers))
        assert not [each for each in results if isinstance(each, Exception)]

    assert len(delivered) == len(set(delivered)) == 60


def test_a_message_whose_process_died_is_another_s_after_its_lease(stores, clock):
    message = message_to()
    stores[0].outbox.add([message])
    stores[0].outbox.lease("mail", now=START, until=START + LEASE_SECONDS)  # And then kill -9.
    receiver = Receiver()
    other = Dispatcher(stores[1].outbox, {"mail": receiver}, clock=clock)

    assert other.deliver_due() == 0
    clock.advance(seconds=LEASE_SECONDS)
    assert other.deliver_due() == 1

    assert receiver.delivered == ["password_changed"]
