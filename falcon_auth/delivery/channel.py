"""The interface of delivery channels, one for each value of `Message.channel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from falcon_auth.models import Message

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
# What mails wait: greylisting takes a few minutes.
MAIL_PAUSES = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 8 * HOUR, DAY)


class DeliveryError(Exception):
    """A message was not delivered. Its text is a fixed phrase, kept beside the message."""


class TemporaryDeliveryError(DeliveryError):
    """A delivery that may succeed at a later attempt."""


class ServerAwayError(TemporaryDeliveryError):
    """The server is unavailable or refuses this service, so no message can be delivered now."""


class PermanentDeliveryError(DeliveryError):
    """A message that can never be delivered, so it is not tried again."""


class Channel(Protocol):
    """Delivers messages of one kind, one at a time, on the delivery thread."""

    @property
    def pauses(self) -> Sequence[float]:
        """Seconds to wait before each further attempt; a message has failed after the last one."""

    def deliver(self, message: Message) -> None:
        """Deliver *message*, within `dispatcher.DELIVERY_SECONDS` even if the server stalls.

        Returns once the receiver has accepted it; a later fault is not a failure. The same message
        may be delivered again: the receiver recognises it by its id. Raises
        `TemporaryDeliveryError`, `ServerAwayError` or `PermanentDeliveryError`.
        """

    def rest(self) -> None:
        """Close idle connections, because nothing more is due. Never raises."""
