"""A real SMTP server (aiosmtpd), which does what the recipient's name tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email
import email.policy
import gc
import socket
import ssl
import threading
import warnings
from dataclasses import dataclass, field

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from processes import free_port

HOST = "127.0.0.1"
# aiosmtpd leaves connections that the client has cut to the garbage collector: tests that cut some
# take this mark.
cuts_connections = pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
NAME = "localhost"  # What the certificate says.


@dataclass
class Inbox:
    """What a server was told, and what it has accepted."""

    answers: dict[str, list[str]] = field(default_factory=dict)  # By recipient: one each time.
    quit_answer: str = "221 Bye"
    contents: list[bytes] = field(default_factory=list)
    envelopes: list = field(default_factory=list)
    connections: int = 0
    hellos: list[str] = field(default_factory=list)
    logged_in: list[tuple[bytes, bytes]] = field(default_factory=list)
    mails_per_connection: int = 1_000_000
    sides: list = field(default_factory=list)  # What answers each connection.

    def hang_up(self):
        """Close all connections without a word."""
        for side in self.sides:
            if side.transport is not None:
                side.loop.call_soon_threadsafe(side.transport.abort)

    @property
    def mails(self):
        return [
            email.message_from_bytes(each, policy=email.policy.default) for each in self.contents
        ]

    def recipients(self):
        return [envelope.rcpt_tos[0] for envelope in self.envelopes]

    # --- What aiosmtpd calls

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802
        self.connections += session.host_name is None
        session.host_name = hostname
        self.hellos.append(hostname)
        self.sides.append(server)
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        session.mails = getattr(session, "mails", 0) + 1
        if session.mails > self.mails_per_connection:
            return "421 4.7.0 that is enough"
        answer = self._next("MAIL")
        if answer == "hang":
            await asyncio.sleep(60)
        if answer:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answer = self._next(address)
        if answer == "drop":
            server.transport.abort()
            return "451 never sent"
        if answer == "hang":
            await asyncio.sleep(60)
        if answer is not None and not answer.startswith("DATA "):
            return answer
        if answer:
            session.data_answer = answer.removeprefix("DATA ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = getattr(session, "data_answer", None)
        session.data_answer = None
        if answer is None or answer == "then drop":
            self.contents.append(envelope.original_content)
            self.envelopes.append(envelope)
        if answer in {"drop", "then drop"}:
            server.transport.abort()
        return answer or "250 accepted"

    async def handle_RSET(self, server, session, envelope):  # noqa: N802
        if self._next("RSET") == "drop":
            server.transport.abort()
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802
        return self.quit_answer

    def authenticate(self, server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and data.password == b"right password"
        if right:
            self.logged_in.append((data.login, data.password))
        return AuthResult(success=right, handled=right)

    def _next(self, name):
        waiting = self.answers.get(name)
        return waiting.pop(0) if waiting else None


@pytest.fixture
def start_smtp():
    """Start servers; they end with the test. Each has `inbox` and `port`."""
    started = []

    def start(*, tls=None, auth=False, **options):
        inbox = Inbox()
        if auth:
            options |= {"authenticator": inbox.authenticate}
        server = Controller(
            inbox, hostname=HOST, port=free_port(), ssl_context=tls, server_hostname=NAME, **options
        )
        server.start()
        server.inbox = inbox
        started.append(server)
        return server

    yield start
    for server in started:
        server.inbox.hang_up()
        server.stop()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed transport", ResourceWarning)
        for server in started:  # Its side of each connection; ours has the port as `raddr`.
            of_server = rf"unclosed <socket.*laddr=\('{HOST}', {server.port}\)"
            warnings.filterwarnings("ignore", of_server, ResourceWarning)
        gc.collect()


@pytest.fixture
def smtp(start_smtp):
    """A plain server."""
    return start_smtp()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The files of a certificate for `localhost` that only its holders trust: (cert, key)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


@pytest.fixture
def server_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@contextlib.contextmanager
def dripping_server(*, tls_hello=False):
    """A server whose greeting (or TLS handshake) never ends: a byte now and then. Yields its port.

    Each wait for a byte is short, so that no time-out of a single read ever ends it.
    """
    stopped = threading.Event()

    def drip(listening):
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                while not stopped.wait(0.02):
                    # The head of a TLS record of 16 KiB, then its body.
                    connection.sendall(b"\x16\x03\x03\x40\x00" if tls_hello else b"2")
                    if tls_hello:
                        while not stopped.wait(0.02):
                            connection.sendall(b"\x02")

    with socket.create_server((HOST, 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stopped.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
