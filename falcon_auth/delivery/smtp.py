"""Submits mails to a server (RFC 5321), over one connection per batch, within a total deadline.

The commands are sent one by one instead of by `smtplib.SMTP.send_message`: a refusal before the
mail has been named is a refusal of this service, and a fault after the mail has been accepted is
not a failure of the mail.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from typing import NoReturn

from falcon_auth.delivery.channel import (
    PermanentDeliveryError,
    ServerAwayError,
    TemporaryDeliveryError,
)
from falcon_auth.delivery.deadline import Deadline
from falcon_auth.delivery.mail_url import MailServer
from falcon_auth.delivery.mime import ComposedMail

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

    def send(self, mail: ComposedMail) -> None:
        """Submit one mail. Raises what `Channel.deliver` raises."""
        deadline = Deadline()
        with deadline.enforce(self._deadline_seconds):
            try:
                connection = self._open_mail(mail, deadline)
                self._send_content(connection, mail)
            except (OSError, ValueError) as error:  # smtplib's exceptions are OSErrors.
                self._drop()
                raise ServerAwayError(_reason(error, deadline)) from None

    def rest(self) -> None:
        """Send QUIT and close; the response does not matter, since the mails are accepted."""
        connection, self._connection = self._connection, None
        if connection is not None:
            deadline = Deadline()
            deadline.watch(*connection.handles)
            with deadline.enforce(QUIT_SECONDS), suppress(OSError):
                connection.quit()
            connection.close_abruptly()

    def _open_mail(self, mail: ComposedMail, deadline: Deadline) -> _Connection:
        """Return a connection on which the server has accepted the sender of *mail*.

        A server may have closed an idle connection: then a new one is tried once.
        """
        if self._connection is not None:
            deadline.watch(*self._connection.handles)
            with suppress(smtplib.SMTPServerDisconnected):
                code = self._begin_mail(self._connection, mail)
                if code == OK:
                    return self._connection
                if code != SERVICE_CLOSES:
                    self._refuse("sender", code)
            self._drop()
        self._connection = connection = self._connect(deadline)
        code = self._begin_mail(connection, mail)
        if code != OK:
            self._refuse("sender", code)
        return connection

    def _connect(self, deadline: Deadline) -> _Connection:
        """Connect and log in. A refusal here is not about the mail, so it is an `OSError`."""
        server = self._server
        connection = _Connection(
            server.host,
            server.port,
            hello=self._hello,
            tls=self._tls if server.security == "tls" else None,
            seconds=self._read_seconds,
            deadline=deadline,
        )
        self._connection = connection  # From here on `_drop` closes it.
        if server.security == "starttls":
            connection.starttls(context=self._tls)
        if server.user is not None and server.password is not None:
            connection.login(server.user, server.password)
        return connection

    def _begin_mail(self, connection: _Connection, mail: ComposedMail) -> int:
        connection.ehlo_or_helo_if_needed()
        if not mail.needs_utf8:
            connection.command_encoding = "ascii"  # smtplib keeps the previous mail's.
            return connection.mail(mail.sender)[0]
        if not connection.has_extn("smtputf8"):
            raise PermanentDeliveryError("server does not support non-ASCII addresses (SMTPUTF8)")
        return connection.mail(mail.sender, ["SMTPUTF8", "BODY=8BITMIME"])[0]

    def _send_content(self, connection: _Connection, mail: ComposedMail) -> None:
        code = connection.rcpt(mail.recipient)[0]
        if code not in {OK, 251}:  # 251: it will be forwarded (RFC 5321, 3.4).
            self._refuse("recipient", code)
        try:
            code = connection.data(mail.content)[0]
        except smtplib.SMTPDataError as error:
            code = error.smtp_code
        if code != OK:
            self._refuse("content", code)

    def _refuse(self, what: str, code: int) -> NoReturn:
        """Raise the error for a reply code, without the server's text, which may quote data."""
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
            connection.close_abruptly()


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
        deadline: Deadline,
    ) -> None:
        self._tls = tls
        self._deadline = deadline
        try:
            super().__init__(host, port, local_hostname=hello, timeout=seconds)
        except BaseException:
            self.close_abruptly()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        raw = socket.create_connection((host, port), timeout)
        self.handles = (raw.dup(),)
        self._deadline.watch(*self.handles)
        if self._tls is None:
            return raw
        try:
            return self._tls.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise

    def close_abruptly(self) -> None:
        """Close the socket without sending QUIT."""
        self.close()
        for handle in self.handles:
            handle.close()


def _reason(error: Exception, deadline: Deadline) -> str:
    """Describe the fault in a fixed phrase, without quoting the server's response or the mail."""
    if deadline.has_passed:
        return "server: too slow"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"server: log-in refused ({error.smtp_code})"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"server: certificate refused ({error.verify_code})"
    return f"server: {type(error).__name__}"
