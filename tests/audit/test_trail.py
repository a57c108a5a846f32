"""The trail: use cases say who and what; when, and from where, is added."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from store_records import NOW

from falcon_auth.audit.trail import COMMAND, Trail
from falcon_auth.models import Client, Message
from falcon_auth.observability.logs import request_client, request_fields
from falcon_auth.stores.memory.store import MemoryStore

USER = "6f1c3c7e-2f0e-4b52-9d55-0d2a6f1a9a41"


def in_a_request(action):
    """Call *action* as a thread does that serves a request."""

    def serve():
        request_fields.set({"request_id": "r-1", "ip": "192.0.2.7", "trace_id": "t-1"})
        request_client.set(Client(ip="192.0.2.7", user_agent="her-browser"))
        return action()

    return copy_context().run(serve)


def test_an_event_knows_its_request():
    trail = Trail(MemoryStore().audit, clock=lambda: NOW)

    effects = in_a_request(
        lambda: trail.effects("factor.added", actor=USER, subject=USER, kind="totp")
    )

    (event,) = effects.events
    assert (event.at, event.event, event.outcome) == (NOW, "factor.added", "success")
    assert (event.actor, event.subject, event.details) == (USER, USER, {"kind": "totp"})
    assert (event.ip, event.user_agent, event.request_id) == ("192.0.2.7", "her-browser", "r-1")


def test_an_event_outside_of_requests_has_none():
    event = Trail(MemoryStore().audit, clock=lambda: NOW).event(
        "user.disabled", actor=COMMAND, subject=USER
    )

    assert (event.ip, event.user_agent, event.request_id) == (None, None, None)


def test_a_thread_that_has_answered_keeps_nothing_of_the_request(client):
    client.register()

    event = Trail(MemoryStore().audit, clock=lambda: NOW).event(
        "user.disabled", actor=COMMAND, subject=USER
    )

    assert (event.ip, event.user_agent, event.request_id) == (None, None, None)


def test_events_of_one_moment_are_in_the_order_in_which_they_were_made():
    trail = Trail(MemoryStore().audit, clock=lambda: NOW)

    made = [trail.event("user.renamed", actor=USER, subject=USER).id for _ in range(1000)]

    assert made == sorted(set(made))
    assert {uuid.UUID(each).version for each in made} == {7}
    assert {uuid.UUID(each).variant for each in made} == {uuid.RFC_4122}
    assert {uuid.UUID(each).int >> 80 for each in made} == {int(NOW * 1000)}


def test_many_threads_make_different_ids():
    trail = Trail(MemoryStore().audit, clock=lambda: NOW)

    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda _: trail.event("user.renamed", actor=None, subject=None).id, range(400))
        )

    assert len(set(made)) == 400


def test_what_announces_an_event_is_written_with_it_after_the_mails():
    def message(topic):
        return Message(
            id=str(uuid.uuid4()),
            channel="webhook",
            topic=topic,
            user_id=USER,
            payload={},
            created_at=NOW,
            due_at=NOW,
        )

    def announce(event):
        return (message(event.event),)

    mail = message("notice")
    trail = Trail(MemoryStore().audit, clock=lambda: NOW, announce=announce)

    effects = trail.effects("password.changed", actor=USER, subject=USER, messages=(mail,))

    assert [each.topic for each in effects.messages] == ["notice", "password.changed"]
    assert [each.event for each in effects.events] == ["password.changed"]
