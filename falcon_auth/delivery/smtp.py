"""Submits mails to a server (RFC 5321), over one connection per batch, within a total deadline.

The commands are sent one by one instead of by `smtplib.SMTP.send_message`: a refusal before the
mail has been named is a refusal of this service, and a fault after the mail has been accepted is
not a failure of the mail.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import NoReturn

from falcon_auth.delivery.channel import (
    PermanentDeliveryError,
    ServerAwayError,
    TemporaryDeliveryError,
)
from falcon_auth.delivery.mail_url import MailServer
from falcon_auth.delivery.mime import Letter

READ_SECONDS = 10.0  # For one response; the deadline is for all of them together.
QUIT_SECONDS = 2.0
OK, SERVICE_CLOSES, NEEDS_LOGIN = 250, 421, 530


class SmtpTransport:
    """Sends mails. For one thread; *deadline_seconds* is for one mail, including the connection."""

    def __init__(
        self,
        server: MailServer,
        *,
        hello: str,
        tls: ssl.SSLContext | None,
        deadline_seconds: float,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Use *hello* as this host's name. *tls* is required unless the server has no TLS."""
        self._server = server
        self._hello = hello
        self._tls = tls
        self._deadline_seconds = deadline_seconds
        self._read_seconds = read_seconds
        self._connection: _Connection | None = None

    def send(self, letter: Letter) -> None:
        """Submit one mail. Raises what `Channel.deliver` raises."""
        lines = _Lines()
        with lines.cut_after(self._deadline_seconds):
            try:
                connection = self._begin(letter, lines)
                self._hand_in(connection, letter)
            except (OSError, ValueError) as error:  # smtplib's exceptions are OSErrors.
                self._drop()
                raise ServerAwayError(_reason(error, lines)) from None

    def rest(self) -> None:
        """Send QUIT and close; the response does not matter, since the mails are accepted."""
        connection, self._connection = self._connection, None
        if connection is not None:
            lines = _Lines()
            lines.watch(*connection.handles)
            with lines.cut_after(QUIT_SECONDS), suppress(OSError):
                connection.quit()
            connection.let_go()

    def _begin(self, letter: Letter, lines: _Lines) -> _Connection:
        """Return a connection on which the server has accepted the sender of *letter*.

        A server may have closed an idle connection: then a new one is tried once.
        """
        if self._connection is not None:
            lines.watch(*self._connection.handles)
            with suppress(smtplib.SMTPServerDisconnected):
                code = self._name_sender(self._connection, letter)
                if code == OK:
                    return self._connection
                if code != SERVICE_CLOSES:
                    self._refuse("sender", code)
            self._drop()
        self._connection = connection = self._connect(lines)
        code = self._name_sender(connection, letter)
        if code != OK:
            self._refuse("sender", code)
        return connection

    def _connect(self, lines: _Lines) -> _Connection:
        """Connect and log in. A refusal here is not about the mail, so it is an `OSError`."""
        server = self._server
        connection = _Connection(
            server.host,
            server.port,
            hello=self._hello,
            tls=self._tls if server.security == "tls" else None,
            seconds=self._read_seconds,
            lines=lines,
        )
        self._connection = connection  # From here on `_drop` closes it.
        if server.security == "starttls":
            connection.starttls(context=self._tls)
        if server.user is not None and server.password is not None:
            connection.login(server.user, server.password)
        return connection

    def _name_sender(self, connection: _Connection, letter: Letter) -> int:
        connection.ehlo_or_helo_if_needed()
        if not letter.needs_utf8:
            connection.command_encoding = "ascii"  # smtplib keeps the previous mail's.
            return connection.mail(letter.sender)[0]
        if not connection.has_extn("smtputf8"):
            raise PermanentDeliveryError("server takes no addresses beyond ASCII (SMTPUTF8)")
        return connection.mail(letter.sender, ["SMTPUTF8", "BODY=8BITMIME"])[0]

    def _hand_in(self, connection: _Connection, letter: Letter) -> None:
        code = connection.rcpt(letter.recipient)[0]
        if code not in {OK, 251}:  # 251: it will be forwarded (RFC 5321, 3.4).
            self._refuse("recipient", code)
        try:
            code = connection.data(letter.content)[0]
        except smtplib.SMTPDataError as error:
            code = error.smtp_code
        if code != OK:
            self._refuse("content", code)

    def _refuse(self, what: str, code: int) -> NoReturn:
        """Raise the error for the first digit, without the server's text: it may quote data."""
        reason = f"{what} refused ({code})"
        connection = self._connection
        if code in {SERVICE_CLOSES, NEEDS_LOGIN} or connection is None:
            self._drop()
            raise ServerAwayError(reason)
        try:
            connection.rset()
        except smtplib.SMTPServerDisconnected:
            self._drop()
        raise (PermanentDeliveryError if code >= 500 else TemporaryDeliveryError)(reason)  # noqa: PLR2004 - RFC 5321, 4.2.1

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.let_go()


class _Connection(smtplib.SMTP):
    """An SMTP connection whose socket is known from the start, before TLS and the greeting.

    `handles` has a duplicate of the socket: shutting that down ends every wait on the connection,
    including TLS handshakes. `_get_socket` is the method that smtplib's own subclasses override.
    """

    handles: tuple[socket.socket, ...] = ()

    def __init__(
        self,
        host: str,
        port: int,
        *,
        hello: str,
        tls: ssl.SSLContext | None,
        seconds: float,
        lines: _Lines,
    ) -> None:
        self._tls = tls
        self._lines = lines
        try:
            super().__init__(host, port, local_hostname=hello, timeout=seconds)
        except BaseException:
            self.let_go()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        raw = socket.create_connection((host, port), timeout)
        self.handles = (raw.dup(),)
        self._lines.watch(*self.handles)
        if self._tls is None:
            return raw
        try:
            return self._tls.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise

    def let_go(self) -> None:
        """Close the socket without sending QUIT."""
        self.close()
        for handle in self.handles:
            handle.close()


class _Lines:
    """The sockets of one delivery, which are shut down at its deadline."""

    def __init__(self) -> None:
        self.cut = False
        self._watched: list[socket.socket] = []

    def watch(self, *handles: socket.socket) -> None:
        """Shut these down at the deadline as well, or at once if it has passed."""
        self._watched.extend(handles)
        if self.cut:
            self._shut_down()

    @contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """Shut all sockets down unless the block ends in time."""
        timer = Timer(seconds, self._shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _shut_down(self) -> None:
        self.cut = True
        for handle in self._watched:
            with suppress(OSError):  # It is closed already.
                handle.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception, lines: _Lines) -> str:
    """Describe the fault in a fixed phrase, without quoting the server's response or the mail."""
    if lines.cut:
        return "server: too slow"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"server: log-in refused ({error.smtp_code})"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"server: certificate refused ({error.verify_code})"
    return f"server: {type(error).__name__}"
