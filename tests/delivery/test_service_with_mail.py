"""A service that has mail: what its settings make, and what outlives its processes."""

import signal
import subprocess
import sys
import threading

import pytest
from conftest import START, settings_for
from databases import database_for
from delivery_words import new_message
from processes import clean_environment, eventually
from smtp_server import cuts_connections
from store_records import new_user

from falcon_auth.delivery.mails import NoMails
from falcon_auth.errors import ConfigurationError
from falcon_auth.service import create_app
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.stores.sql.database import open_engine
from falcon_auth.stores.sql.store import SqlStore

pytestmark = cuts_connections

ADA = new_user("ada")
SENDER = "Example <auth@example.org>"
PRODUCTION = {
    "environment": "production",
    "bcrypt_rounds": 12,
    "database_url": "memory:",
    "mail_from": SENDER,
    "public_url": "https://auth.example.org",
}


@pytest.fixture
def mail_client(make_client, smtp):
    return make_client(mail_url=f"smtp://127.0.0.1:{smtp.port}", mail_from=SENDER)


def ask_for(service, topic="reset"):
    """Do what a use case does: make a message, and store it with a change."""
    messages = service.mails.message(topic, ADA)
    service.store.outbox.add(messages)
    return messages


# --- From the message to the server


def test_a_mail_that_is_asked_for_arrives_with_a_link_to_the_service(mail_client, smtp):
    (message,) = ask_for(mail_client.app.service)

    assert eventually(lambda: smtp.inbox.mails)
    (mail,) = smtp.inbox.mails
    assert mail["From"] == SENDER
    assert mail["Message-ID"] == f"<{message.id}@localhost>"
    assert "http://localhost:8000/account/reset#token=" in mail.get_body(["plain"]).get_content()
    assert eventually(lambda: mail_client.app.service.store.outbox.counts() == [])


def test_metrics_tell_of_deliveries_by_topic_and_result(mail_client, smtp):
    smtp.inbox.answers = {ADA.email: ["550 no", None]}
    outbox = mail_client.app.service.store.outbox
    ask_for(mail_client.app.service, "reset")
    ask_for(mail_client.app.service, "password_changed")
    assert eventually(lambda: [(c.waiting, c.failed) for c in outbox.counts()] == [(0, 1)])

    text = mail_client.simulate_get("/metrics").text

    labels = '{channel="mail",result="%s",topic="%s"}'
    assert f"deliveries_total{labels % ('failed', 'reset')} 1.0" in text
    assert f"deliveries_total{labels % ('delivered', 'password_changed')} 1.0" in text
    assert 'falcon_auth_breaker_state{breaker="mail"} 0.0' in text
    assert 'falcon_auth_outbox_waiting{channel="mail"}' in text


def test_the_age_of_the_oldest_message_is_shown(make_client, clock, tmp_path):
    store = MemoryStore()
    store.outbox.add([new_message(ADA, created_at=START, due_at=START + 9999)])
    client = make_client(store=store, mail_url=f"file://{tmp_path}", mail_from=SENDER)
    dispatcher = client.app.service.delivery.dispatcher
    dispatcher.ensure_running()
    assert eventually(lambda: dispatcher.counted("mail").waiting)
    clock.advance(seconds=90)

    text = client.simulate_get("/metrics").text

    assert 'falcon_auth_outbox_oldest_seconds{channel="mail"} 90.0' in text
    assert 'falcon_auth_outbox_waiting{channel="mail"} 1.0' in text
    assert 'falcon_auth_outbox_failed{channel="mail"} 0.0' in text


def test_a_service_without_mail_has_no_thread_and_makes_no_messages(client):
    threads = {each.name for each in threading.enumerate()}

    assert ask_for(client.app.service) == ()
    assert isinstance(client.app.service.mails, NoMails)
    assert client.app.service.delivery is None
    assert "delivery" not in threads
    assert "outbox_waiting" not in client.simulate_get("/metrics").text


def test_development_prints_mails_without_a_mail_url(make_client, capsys):
    client = make_client(environment="development")

    ask_for(client.app.service, "verification")

    shown = []
    assert eventually(lambda: shown.append(capsys.readouterr().err) or "#token=" in "".join(shown))
    assert "http://localhost:8000/account/verify#token=" in "".join(shown)


def test_mails_go_to_a_folder(make_client, tmp_path):
    client = make_client(mail_url=f"file://{tmp_path}", mail_from=SENDER)

    (message,) = ask_for(client.app.service)

    assert eventually((tmp_path / f"{message.id}.eml").exists)


def test_a_mail_server_that_takes_the_password_over_tls_is_trusted_by_a_ca_file(
    make_client, start_smtp, server_tls, certificate
):
    server = start_smtp(tls_context=server_tls, auth=True, auth_required=True)
    client = make_client(
        mail_url=f"smtp+starttls://auth:right%20password@localhost:{server.port}",
        mail_from=SENDER,
        mail_ca_file=certificate[0],
    )

    ask_for(client.app.service)

    assert eventually(lambda: server.inbox.mails)


# --- What is refused at the start


def refusal_of(**values):
    with pytest.raises((ConfigurationError, ValueError)) as raised:
        create_app(settings_for(**values), store=MemoryStore()).service.close()
    return str(raised.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"mail_url": "smtp://127.0.0.1"}, "MAIL_FROM: is needed with MAIL_URL"),
        ({"email_verification": "optional"}, "EMAIL_VERIFICATION: needs mail; set MAIL_URL"),
        ({"mail_from": SENDER}, "MAIL_FROM: has no effect without MAIL_URL"),
        ({"mail_ca_file": "/etc/hosts"}, "MAIL_CA_FILE: has no effect without MAIL_URL"),
        ({"mail_url": "imap://x", "mail_from": SENDER}, "must begin with smtp://"),
        ({"mail_url": "smtp://x", "mail_from": "nobody"}, "must be an ASCII address"),
        ({"public_url": "ftp://x"}, "must begin with https://"),
        (
            {"mail_url": "file:///nowhere", "mail_from": SENDER},
            "MAIL_URL: does not name a writable folder",
        ),
        (
            {"mail_url": "smtps://x", "mail_from": SENDER, "mail_ca_file": "/nowhere"},
            "MAIL_CA_FILE: cannot be read",
        ),
        (
            {"mail_url": "smtps://x", "mail_from": SENDER, "mail_templates": "/nowhere"},
            "MAIL_TEMPLATES: the folder cannot be read",
        ),
        (PRODUCTION | {"mail_url": "smtp://user:hunter2@x"}, "MAIL_URL: smtp:// would send"),
        (PRODUCTION | {"mail_url": "smtps://x", "public_url": None}, "PUBLIC_URL: is needed"),
        (PRODUCTION | {"mail_url": "smtps://x", "public_url": "http://a.org"}, "PUBLIC_URL: "),
    ],
)
def test_settings_that_make_no_mail_are_refused_with_the_variable_s_name(values, says):
    refusal = refusal_of(**values)

    assert says in refusal
    assert "hunter2" not in refusal


@pytest.mark.parametrize("url", ["smtp://127.0.0.1", "smtps://user:pw@mail.example.org"])
def test_production_takes_a_relay_without_a_password_and_any_server_with_tls(url):
    settings = settings_for(**PRODUCTION | {"mail_url": url})

    assert settings.sends_mail
    assert settings.public_base == "https://auth.example.org"


# --- Processes


def queue_in(url, *messages):
    database = database_for(open_engine(url, pool_size=2))
    SqlStore(database).outbox.add(messages)
    return database


def test_a_service_sends_what_waits_when_it_starts_and_ends_with_its_signal(
    start_service, database_url, smtp
):
    """No request comes: the mail was queued by a process that is gone."""
    database = queue_in(database_url, new_message(ADA, due_at=START - 1e9))
    service = start_service(
        DATABASE_URL=database_url,
        MAIL_URL=f"smtp://127.0.0.1:{smtp.port}",
        MAIL_FROM=SENDER,
        PUBLIC_URL="http://auth.example.org",
    )

    assert eventually(lambda: smtp.inbox.mails)
    assert eventually(lambda: SqlStore(database).outbox.counts() == [])
    assert service.stop() == 0
    database.close()


DELIVER_AND_DIE = """
import sys, time
from email.headerregistry import Address
from falcon_auth.delivery.dispatcher import LEASE_SECONDS, Dispatcher
from falcon_auth.delivery.mail_channel import MailComposer, MailChannel
from falcon_auth.delivery.mail_url import parse_mail_url
from falcon_auth.delivery.smtp import SmtpTransport
from falcon_auth.delivery.templates import Templates
from falcon_auth.breaker import Breaker
from falcon_auth.stores.sql.database import Database, open_engine
from falcon_auth.stores.sql.store import SqlStore

database = Database(open_engine(sys.argv[1], pool_size=2), Breaker("x", threshold=5, timeout=30))
server = parse_mail_url(sys.argv[2])
transport = SmtpTransport(server, hello="localhost", tls=None, deadline_seconds=20)
clock = lambda: time.time() - LEASE_SECONDS  # Its lease is over as soon as it is dead.
composer = MailComposer(Templates(), None, public_url="http://localhost",
                  sender=Address("", "auth", "example.org"), clock=clock)
Dispatcher(SqlStore(database).outbox, {"mail": MailChannel(composer, transport)},
           clock=clock).deliver_due()
"""


def test_a_mail_outlives_kill_9_between_lease_and_delivery(
    database_url, smtp, make_client, tmp_path
):
    database = queue_in(database_url, new_message(ADA, due_at=START - 1e9))
    smtp.inbox.answers = {ADA.email: ["hang"]}
    mail_url = f"smtp://127.0.0.1:{smtp.port}"
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", DELIVER_AND_DIE, database_url, mail_url],
        cwd=tmp_path,
        env=clean_environment(),
    )
    assert eventually(lambda: smtp.inbox.answers == {ADA.email: []})  # It has been asked.
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    (leased,) = SqlStore(database).outbox.list_waiting(limit=9)
    assert leased.attempts == 1

    client = make_client(database_url=database_url, mail_url=mail_url, mail_from=SENDER)
    assert not smtp.inbox.mails
    client.app.service.housekeeper.round()  # Starts the thread, as the first request does.

    assert eventually(lambda: smtp.inbox.mails)
    assert eventually(lambda: SqlStore(database).outbox.counts() == [])
    assert len(smtp.inbox.mails) == 1
    database.close()


def test_a_mail_that_is_refused_for_now_stays_in_the_outbox(mail_client, smtp, clock):
    smtp.inbox.answers = {ADA.email: ["451 4.7.1 greylisted"]}
    outbox = mail_client.app.service.store.outbox
    (message,) = ask_for(mail_client.app.service)
    assert eventually(lambda: outbox.list_waiting(limit=1)[0].error)

    assert outbox.list_waiting(limit=1)[0].error == "recipient refused (451)"
    clock.advance(minutes=1)
    mail_client.app.service.delivery.dispatcher.expect()

    assert eventually(lambda: smtp.inbox.mails)
    assert smtp.inbox.mails[0]["Message-ID"] == f"<{message.id}@localhost>"
