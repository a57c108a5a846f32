"""Mails over SMTP, to a real server that refuses, hangs up, drips and lies."""

import select
import ssl
from email.headerregistry import Address

import pytest
from delivery_words import new_message
from smtp_server import NAME, cuts_connections, dripping_server
from stopwatch import timed
from store_records import new_user

from falcon_auth.delivery.channel import (
    PermanentDeliveryError,
    ServerAwayError,
    TemporaryDeliveryError,
)
from falcon_auth.delivery.mail_url import MailServer
from falcon_auth.delivery.mime import Rendered, compose
from falcon_auth.delivery.smtp import SmtpTransport

pytestmark = cuts_connections

TEXT = Rendered("A subject", "Some text.\n", "<p>Some text.</p>")
DEADLINE = 0.5  # Seconds; what never ends is cut then.


def mail_for(name="ada", rendered=TEXT, **user):
    message = new_message(new_user(name, **user))
    return compose(
        message, rendered, sender=Address("Auth", "auth", "example.org"), host="auth.example.org"
    )


@pytest.fixture
def transport_to():
    made = []

    def make(port, security="none", *, host="127.0.0.1", tls=None, deadline=10.0, **login):
        server = MailServer(security, host, port, login.get("user"), login.get("password"))
        made.append(
            SmtpTransport(server, hello="auth.example.org", tls=tls, deadline_seconds=deadline)
        )
        return made[-1]

    yield make
    for transport in made:
        transport.rest()


@pytest.fixture
def trusting(certificate):
    return ssl.create_default_context(cafile=certificate[0])


def test_a_mail_arrives_as_it_was_made(smtp, transport_to):
    composed = mail_for()

    transport_to(smtp.port).send(composed)

    (envelope,), (mail,) = smtp.inbox.envelopes, smtp.inbox.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("auth@example.org", ["ada@example.com"])
    assert smtp.inbox.contents == [composed.content]
    assert (mail["From"], mail["To"]) == ("Auth <auth@example.org>", "ada@example.com")
    assert mail["Message-ID"] == f"<{composed.id}@auth.example.org>"
    assert smtp.inbox.hellos == ["auth.example.org"]


def test_a_batch_takes_one_connection(smtp, transport_to):
    transport = transport_to(smtp.port)
    for number in range(5):
        transport.send(mail_for(f"user{number}"))
    transport.rest()
    transport.send(mail_for("later"))

    assert (len(smtp.inbox.mails), smtp.inbox.connections) == (6, 2)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ("451 4.7.1 greylisted", TemporaryDeliveryError, "recipient refused (451)"),
        ("550 5.1.1 no such user", PermanentDeliveryError, "recipient refused (550)"),
        ("421 4.3.2 shutting down", ServerAwayError, "recipient refused (421)"),
        ("DATA 452 4.3.1 full", TemporaryDeliveryError, "content refused (452)"),
        ("DATA 554 5.6.0 spam", PermanentDeliveryError, "content refused (554)"),
        ("250 but not really", PermanentDeliveryError, "content refused (503)"),
        ("drop", ServerAwayError, "server: SMTPServerDisconnected"),
        ("DATA drop", ServerAwayError, "server: SMTPServerDisconnected"),
    ],
)
def test_what_is_refused_says_whether_to_try_again(smtp, transport_to, answer, kind, reason):
    smtp.inbox.answers = {"ada@example.com": [answer]}
    transport = transport_to(smtp.port)

    with pytest.raises(TemporaryDeliveryError if kind is ServerAwayError else kind) as raised:
        transport.send(mail_for())

    assert (type(raised.value), str(raised.value)) == (kind, reason)
    transport.send(mail_for("eve"))
    assert smtp.inbox.recipients() == ["eve@example.com"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("451 try again", TemporaryDeliveryError),
        ("553 not as that sender", PermanentDeliveryError),
        ("530 5.7.0 log in first", ServerAwayError),
        ("421 too busy", ServerAwayError),
    ],
)
def test_a_refused_sender_counts_against_the_server_only_where_it_is_about_us(
    smtp, transport_to, answer, kind
):
    smtp.inbox.answers = {"MAIL": [answer]}

    with pytest.raises(kind) as raised:
        transport_to(smtp.port).send(mail_for())

    assert type(raised.value) is kind


def test_a_refusal_in_the_middle_of_a_batch_leaves_the_connection_in_use(smtp, transport_to):
    smtp.inbox.answers = {"eve@example.com": ["550 no"], "MAIL": []}
    transport = transport_to(smtp.port)
    transport.send(mail_for("ada"))

    with pytest.raises(PermanentDeliveryError):
        transport.send(mail_for("eve"))
    smtp.inbox.answers = {"MAIL": ["452 wait"]}
    with pytest.raises(TemporaryDeliveryError):
        transport.send(mail_for("eve"))
    transport.send(mail_for("joe"))

    assert smtp.inbox.connections == 1
    assert smtp.inbox.recipients() == ["ada@example.com", "joe@example.com"]


def test_a_server_that_hangs_up_after_its_refusal_has_refused(smtp, transport_to):
    smtp.inbox.answers = {"eve@example.com": ["550 no"], "RSET": ["drop"]}
    transport = transport_to(smtp.port)

    with pytest.raises(PermanentDeliveryError):
        transport.send(mail_for("eve"))
    transport.send(mail_for("ada"))

    assert smtp.inbox.recipients() == ["ada@example.com"]


def test_a_server_that_closes_a_used_connection_gets_a_new_one(smtp, transport_to):
    """Some take only so many mails: that is not a failure, and no mail is sent twice."""
    smtp.inbox.mails_per_connection = 2
    transport = transport_to(smtp.port)

    for number in range(5):
        transport.send(mail_for(f"user{number}"))

    assert smtp.inbox.recipients() == [f"user{number}@example.com" for number in range(5)]
    assert smtp.inbox.connections == 3


def test_a_server_that_hung_up_meanwhile_gets_a_new_connection(smtp, transport_to):
    transport = transport_to(smtp.port)
    transport.send(mail_for("ada"))
    smtp.inbox.hang_up()
    closed = select.select([transport._connection.sock], [], [], 10)[0]  # noqa: SLF001 - its socket
    assert closed

    transport.send(mail_for("eve"))

    assert smtp.inbox.recipients() == ["ada@example.com", "eve@example.com"]


@pytest.mark.parametrize("answer", ["421 closing", "500 what", "drop"])
def test_an_odd_answer_to_quit_is_not_a_failure_of_the_mail(smtp, transport_to, answer):
    """smtplib's own `with` statement raises here, and a retry would send the mail twice."""
    smtp.inbox.quit_answer = answer
    transport = transport_to(smtp.port)

    transport.send(mail_for())
    transport.rest()

    assert len(smtp.inbox.mails) == 1


# --- Deadlines


def failing(action):
    """What *action*, which has to raise, says, and how long it took."""

    def fail():
        with pytest.raises(ServerAwayError) as raised:
            action()
        return str(raised.value)

    return timed(fail)


def test_a_dripping_greeting_is_cut_at_the_deadline(transport_to):
    with dripping_server() as port:
        reason, took = failing(lambda: transport_to(port, deadline=DEADLINE).send(mail_for()))

    assert reason == "server: too slow"
    assert took.passed >= DEADLINE
    assert took.had < DEADLINE + 2


def test_a_dripping_tls_handshake_is_cut_at_the_deadline(transport_to, trusting):
    with dripping_server(tls_hello=True) as port:
        transport = transport_to(port, "tls", host=NAME, tls=trusting, deadline=DEADLINE)
        reason, took = failing(lambda: transport.send(mail_for()))

    assert reason == "server: too slow"
    assert took.passed >= DEADLINE
    assert took.had < DEADLINE + 2


@pytest.mark.parametrize("step", ["MAIL", "eve@example.com"])
def test_a_server_that_hangs_in_a_batch_is_cut_at_the_deadline(smtp, transport_to, step):
    """Also where it hangs at once: no second connection gets more time."""
    transport = transport_to(smtp.port, deadline=DEADLINE)
    transport.send(mail_for("ada"))
    smtp.inbox.answers = {step: ["hang"]}

    reason, took = failing(lambda: transport.send(mail_for("eve")))

    assert reason == "server: too slow"
    assert took.passed >= DEADLINE
    assert took.had < DEADLINE + 2


def test_a_refused_smtp_connection_is_reported_at_once(transport_to):
    from processes import free_port

    reason, _ = failing(lambda: transport_to(free_port()).send(mail_for()))

    assert reason == "server: ConnectionRefusedError"


# --- TLS and logging in


def test_starttls_is_required_where_it_is_asked_for(smtp, transport_to, trusting):
    """A server, or somebody in between, that leaves the offer out gets nothing."""
    transport = transport_to(smtp.port, "starttls", host=NAME, tls=trusting)

    assert failing(lambda: transport.send(mail_for()))[0] == "server: SMTPNotSupportedError"
    assert smtp.inbox.contents == []


def test_a_server_that_wants_a_log_in_first_is_as_good_as_away(
    start_smtp, transport_to, server_tls, trusting
):
    server = start_smtp(tls_context=server_tls, auth=True, auth_required=True)
    transport = transport_to(server.port, "starttls", host=NAME, tls=trusting)

    assert failing(lambda: transport.send(mail_for()))[0] == "sender refused (530)"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_user_logs_in_over_tls(start_smtp, transport_to, server_tls, trusting, security):
    server = login_server(start_smtp, server_tls, security)
    login = {"user": "auth", "password": "right password"}
    transport = transport_to(server.port, security, host=NAME, tls=trusting, **login)

    transport.send(mail_for())

    assert server.inbox.logged_in == [(b"auth", b"right password")]
    assert len(server.inbox.mails) == 1


def test_a_wrong_password_is_the_server_s_refusal_of_us_not_of_the_mail(
    start_smtp, transport_to, server_tls, trusting
):
    server = login_server(start_smtp, server_tls, "tls")
    login = {"user": "auth", "password": "wrong password"}
    transport = transport_to(server.port, "tls", host=NAME, tls=trusting, **login)

    reason, _ = failing(lambda: transport.send(mail_for()))

    assert reason == "server: log-in refused (535)"


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("fault", ["unknown authority", "other name"])
def test_a_certificate_that_is_not_the_server_s_is_refused(
    start_smtp, transport_to, server_tls, trusting, security, fault
):
    server = login_server(start_smtp, server_tls, security)
    tls = trusting if fault == "other name" else ssl.create_default_context()
    host = "127.0.0.1" if fault == "other name" else NAME
    transport = transport_to(server.port, security, host=host, tls=tls)

    reason, _ = failing(lambda: transport.send(mail_for()))

    assert reason.startswith("server: certificate refused")


def login_server(start_smtp, server_tls, security):
    return (
        start_smtp(tls=server_tls, auth=True, auth_require_tls=False)
        if security == "tls"
        else start_smtp(tls_context=server_tls, auth=True)
    )


# --- Addresses beyond ASCII


def test_an_address_beyond_ascii_is_sent_where_the_server_takes_it(smtp, transport_to):
    transport = transport_to(smtp.port)

    transport.send(mail_for("adá"))
    transport.send(mail_for("eve"))

    assert smtp.inbox.recipients() == ["adá@example.com", "eve@example.com"]
    assert smtp.inbox.mails[0]["To"] == "adá@example.com"


def test_an_address_beyond_ascii_fails_for_good_where_the_server_does_not(start_smtp, transport_to):
    server = start_smtp(enable_SMTPUTF8=False)
    transport = transport_to(server.port)

    with pytest.raises(PermanentDeliveryError, match="SMTPUTF8"):
        transport.send(mail_for("adá"))
    transport.send(mail_for("ada", email="ada@bücher.example"))

    assert server.inbox.recipients() == ["ada@xn--bcher-kva.example"]
