"""Builds the delivery of mail as configured."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from email.headerregistry import Address
from urllib.parse import urlsplit

from falcon_auth.delivery.dispatcher import DELIVERY_SECONDS, Dispatcher
from falcon_auth.delivery.mail_channel import MailChannel, MailComposer
from falcon_auth.delivery.mail_url import MailServer, parse_mail_url, parse_sender
from falcon_auth.delivery.mails import LinkTokens, Mails, QueuedMails
from falcon_auth.delivery.smtp import SmtpTransport
from falcon_auth.delivery.templates import TemplateFaultError, Templates
from falcon_auth.delivery.transports import ConsoleTransport, FolderTransport, Transport
from falcon_auth.errors import ConfigurationError
from falcon_auth.settings import Settings

CONSOLE_SENDER = Address("Falcon Auth", "falcon-auth", "localhost")


def add_mail(
    dispatcher: Dispatcher, settings: Settings, tokens: LinkTokens, *, clock: Callable[[], float]
) -> Mails:
    """Have the dispatcher deliver mail, and return what builds the messages.

    Raises `ConfigurationError` if the templates, the folder or the CA file cannot be used.
    """
    composer = MailComposer(
        make_templates(settings),
        tokens,
        public_url=settings.public_base,
        sender=sender_of(settings),
        clock=clock,
    )
    dispatcher.add_channel("mail", MailChannel(composer, make_transport(settings)))
    return QueuedMails(clock=clock, expect=dispatcher.expect)


def sender_of(settings: Settings) -> Address:
    """Return MAIL_FROM, or a placeholder for mails that are only printed."""
    return parse_sender(settings.mail_from) if settings.mail_from else CONSOLE_SENDER


def make_templates(settings: Settings) -> Templates:
    """Return the templates after rendering each of them once. Raises `ConfigurationError`."""
    templates = Templates(settings.mail_templates)
    host = urlsplit(settings.public_base).hostname or ""
    try:
        templates.check({"public_url": settings.public_base, "service": host})
    except TemplateFaultError as error:
        raise ConfigurationError(f"MAIL_TEMPLATES: {error}") from None
    return templates


def make_transport(settings: Settings) -> Transport:
    """Return the transport of MAIL_URL without connecting. Raises `ConfigurationError`."""
    if settings.mail_url is None:
        return ConsoleTransport()
    target = parse_mail_url(settings.mail_url.get_secret_value())
    if isinstance(target, MailServer):
        return SmtpTransport(
            target,
            hello=urlsplit(settings.public_base).hostname or "localhost",
            tls=None if target.security == "none" else _tls(settings),
            deadline_seconds=DELIVERY_SECONDS,
        )
    if not (target.is_dir() and os.access(target, os.W_OK | os.X_OK)):
        raise ConfigurationError("MAIL_URL: does not name a writable folder")
    return FolderTransport(target)


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.mail_ca_file)
    except OSError:
        raise ConfigurationError("MAIL_CA_FILE: cannot be read as PEM certificates") from None
