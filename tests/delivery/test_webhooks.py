"""Webhooks: what the receiver gets, as somebody else's library verifies it, and how often."""

import json
import threading
import time

import pytest
from conftest import EMAIL, settings_for
from processes import eventually
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from store_records import NOW

from falcon_auth.api.schemas import SCHEMAS
from falcon_auth.api.validators import validator_of
from falcon_auth.delivery.channel import (
    PermanentDeliveryError,
    ServerAwayError,
    TemporaryDeliveryError,
)
from falcon_auth.delivery.webhook_url import check_url, make_secret, parse_secret
from falcon_auth.delivery.webhooks import PAUSES, WebhookAnnouncer, WebhookChannel
from falcon_auth.models import AuditEvent

SECRET = make_secret()
EVENT = AuditEvent(
    id="01936b1e-6d7c-7f3a-9d53-2c1b0a0f8e11",
    at=NOW,
    event="password.changed",
    actor="ada",
    subject="ada",
    ip="192.0.2.7",
    user_agent="A browser",
    request_id="order-42",
)


def channel_to(receiver, seconds=10.0):
    return WebhookChannel(
        receiver.url,
        parse_secret(SECRET),
        user_agent="Falcon-Auth/test",
        clock=time.time,
        seconds=seconds,
    )


def message_of(event=EVENT):
    (message,) = WebhookAnnouncer(lambda: None)(event)
    return message


# --- What the receiver gets


def test_the_receiver_verifies_each_event_with_the_library_of_standard_webhooks(receiver):
    message = message_of()

    channel_to(receiver).deliver(message)

    (delivered,) = receiver.delivered
    event = Webhook(SECRET).verify(delivered.body, delivered.headers)
    assert delivered.path == "/hooks?tenant=1"
    assert delivered.headers["Content-Type"] == "application/json"
    assert delivered.headers["webhook-id"] == message.id
    assert (event["type"], event["data"]["subject"]) == ("password.changed", "ada")
    assert b"192.0.2.7" not in delivered.body
    assert b"browser" not in delivered.body


def test_a_changed_body_and_another_secret_do_not_verify(receiver):
    channel_to(receiver).deliver(message_of())

    (delivered,) = receiver.delivered
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(delivered.body.replace(b"ada", b"eve"), delivered.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(delivered.body, delivered.headers)


def test_a_repeat_has_the_same_id_and_body(receiver):
    message, channel = message_of(), channel_to(receiver)

    channel.deliver(message)
    channel.deliver(message)

    first, second = receiver.delivered
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


# --- What the receiver answers


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, TemporaryDeliveryError),
        (400, TemporaryDeliveryError),
        (410, PermanentDeliveryError),
        (429, ServerAwayError),
        (500, ServerAwayError),
    ],
)
def test_every_status_but_2xx_is_a_failure_and_no_redirect_is_followed(receiver, status, error):
    receiver.statuses = [status]

    with pytest.raises(error, match=f"receiver answered {status}") as raised:
        channel_to(receiver).deliver(message_of())

    assert type(raised.value) is error
    assert len(receiver.delivered) == 1


def test_a_receiver_that_drips_is_cut_off_at_the_deadline(receiver):
    receiver.drips = threading.Event()

    with pytest.raises(ServerAwayError, match="too slow"):
        channel_to(receiver, seconds=0.2).deliver(message_of())

    receiver.drips.set()


def test_a_head_that_does_not_end_is_not_read_on(receiver):
    """Endless interim responses came as fast as they could be parsed, until the deadline."""
    receiver.interim = 20
    channel_to(receiver).deliver(message_of())
    receiver.interim = 10_000

    with pytest.raises(ServerAwayError, match="HTTPException"):
        channel_to(receiver).deliver(message_of())


def test_a_receiver_that_is_away_is_named_by_the_kind_of_the_error(receiver_with):
    nobody = receiver_with()
    nobody.url = "http://127.0.0.1:1/"

    with pytest.raises(ServerAwayError, match="receiver: ConnectionRefusedError"):
        channel_to(nobody).deliver(message_of())


def test_a_certificate_has_to_be_trusted(receiver_with, server_tls, certificate, monkeypatch):
    receiver = receiver_with(server_tls)

    with pytest.raises(ServerAwayError, match="SSLCertVerificationError"):
        channel_to(receiver).deliver(message_of())
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    channel_to(receiver).deliver(message_of())

    assert len(receiver.delivered) == 1


def test_pauses_grow_from_five_seconds_to_an_hour_and_last_a_day():
    assert (PAUSES[0], PAUSES[-1]) == (5, 3600)
    assert sorted(PAUSES) == list(PAUSES)
    assert 23 * 3600 < sum(PAUSES) <= 24 * 3600


# --- A service with a webhook


@pytest.fixture
def hooked(make_client, receiver, clock):
    return make_client(webhook_url=receiver.url, webhook_secret=SECRET)


def events_at(receiver, count):
    """Wait for that many events; return their data."""
    assert eventually(lambda: len(receiver.delivered) >= count)
    return [json.loads(each.body) for each in receiver.delivered]


def test_events_of_a_user_arrive_in_order_and_satisfy_the_schema(hooked, receiver):
    user_id = hooked.register().json["user"]["id"]
    assert hooked.login().status_code == 200
    administration = hooked.app.service.administration
    deleted = administration.delete(administration.find(EMAIL))

    sent = events_at(receiver, 3)

    assert deleted
    types = [each["type"] for each in sent]
    assert (types[0], types[-1]) == ("user.registered", "user.deleted")
    assert {each["data"]["subject"] for each in sent} == {user_id}
    validate = validator_of("webhook_event")
    assert [list(validate.iter_errors(each)) for each in sent] == [[]] * len(sent)
    assert EMAIL not in json.dumps(sent)


def test_failed_log_ins_are_not_sent(hooked, receiver):
    hooked.register()
    hooked.login(password="wrong horse battery")
    hooked.login()

    assert [each["type"] for each in events_at(receiver, 2)] == [
        "user.registered",
        "login.succeeded",
    ]


def test_an_event_that_failed_holds_up_the_user_s_later_ones(hooked, receiver, clock):
    receiver.statuses = [400]
    hooked.register()
    assert eventually(lambda: receiver.delivered)
    hooked.login()
    clock.advance(seconds=PAUSES[0])

    types = [each["type"] for each in events_at(receiver, 3)]

    assert types == ["user.registered", "user.registered", "login.succeeded"]


def test_the_document_has_a_webhook_for_each_type_where_there_is_a_webhook(hooked, client):
    types = SCHEMAS["webhook_event"]["properties"]["type"]["enum"]

    assert list(hooked.simulate_get("/openapi.json").json["webhooks"]) == types
    assert "webhooks" not in client.simulate_get("/openapi.json").json


# --- Settings


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"webhook_url": "https://example.com"}, "set both or neither"),
        ({"webhook_secret": SECRET}, "set both or neither"),
        ({"webhook_url": "ftp://example.com"}, "http or https"),
        ({"webhook_url": "https://user:pw@hooks"}, "password"),  # pragma: allowlist secret
        ({"webhook_secret": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"webhook_secret": "whsec_$$$"}, "24 to 64 bytes"),
        ({"webhook_secret": SECRET.removeprefix("whsec_")}, "whsec_"),
    ],
)
def test_what_makes_no_webhook_is_refused_at_start_up(settings, fault):
    with pytest.raises((ValidationError, ValueError), match=fault) as raised:
        settings_for(**settings)

    assert "c2hvcnQ" not in str(raised.value)


def test_production_refuses_a_receiver_without_tls():
    assert check_url("http://10.0.0.7/hooks")
    with pytest.raises((ValidationError, ValueError), match="WEBHOOK_URL: must begin with https"):
        settings_for(
            environment="production",
            bcrypt_rounds=12,
            database_url="memory:",
            webhook_url="http://10.0.0.7/hooks",
            webhook_secret=SECRET,
        )
