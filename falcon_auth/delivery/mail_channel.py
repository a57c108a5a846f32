"""The mail channel: composes the mail for a message and passes it to a transport."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.headerregistry import Address
from urllib.parse import urlsplit

import structlog

from falcon_auth.delivery.channel import MAIL_PAUSES, PermanentDeliveryError, TemporaryDeliveryError
from falcon_auth.delivery.mails import LinkTokens
from falcon_auth.delivery.mime import ComposedMail, Rendered, compose
from falcon_auth.delivery.templates import TemplateFaultError, Templates
from falcon_auth.delivery.topics import find_topic
from falcon_auth.delivery.transports import Transport
from falcon_auth.models import Message

log = structlog.get_logger("falcon_auth.delivery")


class MailComposer:
    """Composes mails from messages. Links begin with *public_url*, without a trailing slash."""

    def __init__(
        self,
        templates: Templates,
        tokens: LinkTokens,
        *,
        public_url: str,
        sender: Address,
        clock: Callable[[], float],
    ) -> None:
        self._templates = templates
        self._tokens = tokens
        self._public_url = public_url
        self._host = urlsplit(public_url).hostname or "localhost"
        self._sender = sender
        self._clock = clock

    def compose(self, message: Message) -> ComposedMail:
        """Return the mail for *message*; the same message always gives the same mail.

        Raises `PermanentDeliveryError` if its link has expired or it cannot be built, and
        `TemporaryDeliveryError` if an operator's template fails.
        """
        try:
            rendered = self._render(message)
        except TemplateFaultError as error:
            log.error("template_broken", reason=str(error))  # noqa: TRY400 - the reason is enough
            raise TemporaryDeliveryError("template does not work") from None
        return compose(message, rendered, sender=self._sender, host=self._host)

    def _render(self, message: Message) -> Rendered:
        topic = find_topic(message.topic)
        if topic is None:
            raise PermanentDeliveryError("topic is unknown")
        link = topic.link
        if link is not None and self._clock() >= message.created_at + link.lifetime_seconds:
            raise PermanentDeliveryError("link has expired")
        payload = message.payload
        facts = {name: _text(payload.get(name)) for name in ("to", "ip", *topic.facts)}
        facts |= {
            "service": self._host,
            "public_url": self._public_url,
            "time": f"{datetime.fromtimestamp(message.created_at, UTC):%Y-%m-%d %H:%M} UTC",
            "link": "",
            "hours": "",
        }
        if link is not None:
            facts["link"] = f"{self._public_url}{link.page}#token={self._tokens.sign(message)}"
            facts["hours"] = str(link.lifetime_seconds // 3600)
        language = payload.get("language")
        return self._templates.render(message.topic, facts, _text(language) or None)


class MailChannel:
    """Delivers mails; a `Channel`."""

    pauses = MAIL_PAUSES

    def __init__(self, composer: MailComposer, transport: Transport) -> None:
        self._composer = composer
        self._transport = transport

    def deliver(self, message: Message) -> None:
        """Compose the mail and pass it to the transport."""
        self._transport.send(self._composer.compose(message))

    def rest(self) -> None:
        """Close the transport's idle connections."""
        self._transport.rest()


def _text(value: str | int | bool | None) -> str:  # noqa: FBT001 - a payload's value
    return "" if value is None else str(value)
