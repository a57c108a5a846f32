"""`outbox`: list undelivered messages, and retry failed ones."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime

import click

from falcon_auth.commands.store import open_service
from falcon_auth.errors import StoreUnavailableError
from falcon_auth.models import Message


@click.group()
def outbox() -> None:
    """List undelivered messages, and retry failed ones."""


@outbox.command("list")
@click.option("--failed", is_flag=True, help="List only failed messages.")
@click.option("--limit", default=1000, type=click.IntRange(1, 1_000_000), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def list_messages(*, failed: bool, limit: int, as_json: bool) -> None:
    """List messages, oldest first: id, state, attempts, topic, recipient, time, last error.

    Columns are separated by tabs. Messages contain no tokens.
    """
    with open_service() as service:
        store = service.store.outbox
        try:
            messages = store.list_failed(limit=limit)
            if not failed:
                messages += store.list_waiting(limit=limit)
        except StoreUnavailableError as error:
            raise click.ClickException(error.detail) from None
        for message in messages:
            click.echo(json.dumps(asdict(message)) if as_json else _row(message))


@outbox.command()
@click.argument("message_ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "all_failed", is_flag=True, help="Retry every failed message.")
def retry(message_ids: tuple[str, ...], *, all_failed: bool) -> None:
    """Retry failed messages as if they were new."""
    if bool(message_ids) == all_failed:
        raise click.UsageError("Give message ids, or --all.")
    with open_service() as service:
        try:
            count = service.store.outbox.retry(message_ids or None, now=time.time())
        except StoreUnavailableError as error:
            raise click.ClickException(error.detail) from None
    click.echo(f"{count} messages will be tried again.")
    if count < len(message_ids):
        raise click.ClickException("The others do not exist, or have not failed.")


def _row(message: Message) -> str:
    created = datetime.fromtimestamp(message.created_at, UTC)
    cells = (
        message.id,
        "waiting" if message.failed_at is None else "failed",
        str(message.attempts),
        f"{message.channel}:{message.topic}",
        str(message.payload.get("to") or message.user_id or "-"),
        f"{created:%Y-%m-%dT%H:%M:%SZ}",
        message.error or "-",
    )
    return "\t".join(
        "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cell) for cell in cells
    )
