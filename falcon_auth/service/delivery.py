"""Builds delivery as configured: the dispatcher, mail, and webhooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from falcon_auth import __version__
from falcon_auth.audit.trail import Announce, announce_to_nobody
from falcon_auth.delivery.dispatcher import DELIVERY_SECONDS, Dispatcher
from falcon_auth.delivery.mails import NO_MAILS, LinkTokens, Mails
from falcon_auth.observability.metrics import Metrics
from falcon_auth.settings import Settings
from falcon_auth.store import OutboxStore


@dataclass(frozen=True)
class Delivery:
    """What delivers messages, and what makes them: mails, and announcements to webhooks."""

    dispatcher: Dispatcher
    mails: Mails
    announce: Announce


def make_delivery(
    settings: Settings,
    outbox: OutboxStore,
    tokens: LinkTokens,
    metrics: Metrics,
    *,
    clock: Callable[[], float],
) -> Delivery:
    """Build the delivery of mail and webhooks, as configured. Raises `ConfigurationError`."""
    dispatcher = Dispatcher(
        outbox,
        {},
        clock=clock,
        count=metrics.delivery,
        threshold=settings.circuit_breaker_threshold,
        timeout=settings.circuit_breaker_timeout,
    )
    mails: Mails = NO_MAILS
    announce: Announce = announce_to_nobody
    if settings.sends_mail:
        # Imported here: a service without mail has no use for templates and SMTP.
        from falcon_auth.service.mail import add_mail  # noqa: PLC0415

        mails = add_mail(dispatcher, settings, tokens, clock=clock)
        _show(metrics, dispatcher, "mail", clock)
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        announce = _add_webhook(
            dispatcher,
            settings.webhook_url,
            settings.webhook_secret.get_secret_value(),
            clock=clock,
        )
        _show(metrics, dispatcher, "webhook", clock)
    return Delivery(dispatcher, mails, announce)


def _add_webhook(
    dispatcher: Dispatcher, url: str, secret: str, *, clock: Callable[[], float]
) -> Announce:
    # Imported here: a service without a webhook has no use for an HTTP client.
    from falcon_auth.delivery.webhook_url import parse_secret  # noqa: PLC0415
    from falcon_auth.delivery.webhooks import (  # noqa: PLC0415
        CHANNEL,
        WebhookAnnouncer,
        WebhookChannel,
    )

    channel = WebhookChannel(
        url,
        parse_secret(secret),
        user_agent=f"Falcon-Auth/{__version__}",
        clock=clock,
        seconds=DELIVERY_SECONDS,
    )
    dispatcher.add_channel(CHANNEL, channel)
    return WebhookAnnouncer(dispatcher.expect)


def _show(
    metrics: Metrics, dispatcher: Dispatcher, channel: str, clock: Callable[[], float]
) -> None:
    def oldest_seconds() -> float:
        oldest_at = dispatcher.counted(channel).oldest_at
        return 0.0 if oldest_at is None else max(0.0, clock() - oldest_at)

    metrics.gauge(
        "outbox_waiting",
        "Messages that wait to be delivered",
        lambda: dispatcher.counted(channel).waiting,
        combine="max",
        channel=channel,
    )
    metrics.gauge(
        "outbox_failed",
        "Messages that were given up",
        lambda: dispatcher.counted(channel).failed,
        combine="max",
        channel=channel,
    )
    metrics.gauge(
        "outbox_oldest_seconds",
        "Age of the oldest message that waits",
        oldest_seconds,
        combine="max",
        channel=channel,
    )
    metrics.watch_breaker(channel, partial(dispatcher.state, channel))
