"""`audit`: read and export the audit trail."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from falcon_auth.api.views import show_event
from falcon_auth.audit.reading import parse_query
from falcon_auth.commands.administering import administer, json_option, printable, verbose_option
from falcon_auth.models import AuditEvent
from falcon_auth.service import Service
from falcon_auth.store import AuditQuery

PAGE = 500  # Events read at a time.

_user_option = click.option("--user", help="An e-mail address or an id: by or about that user.")
_event_option = click.option("--event", help="A kind of event, such as login.failed.")
_since_option = click.option("--since", help="Events since a time, such as 2026-11-21T09:30:00Z.")


@click.group()
def audit() -> None:
    """Read and export the audit trail."""


@audit.command("list")
@_user_option
@_event_option
@_since_option
@click.option("--limit", default=50, type=click.IntRange(1, 10_000), show_default=True)
@json_option
@verbose_option
def list_events(
    *, user: str | None, event: str | None, since: str | None, limit: int, as_json: bool
) -> None:
    """List events, newest first: time, event, outcome, actor, subject, address, details.

    Columns are separated by tabs.
    """
    with administer() as service:
        query = _query(service, user, event, since)
        for each in service.store.audit.list_newest(query, limit=limit):
            click.echo(json.dumps(show_event(each)) if as_json else _row(each))


@audit.command()
@_user_option
@_event_option
@_since_option
@verbose_option
def export(*, user: str | None, event: str | None, since: str | None) -> None:
    """Print events as JSON Lines, oldest first, as the API shows them."""
    with administer() as service:
        for each in _all_events(service, _query(service, user, event, since)):
            click.echo(json.dumps(show_event(each)))


def _query(service: Service, user: str | None, event: str | None, since: str | None) -> AuditQuery:
    """Return the query. Raises `InvalidBodyError`, and `NotFoundError` for an unknown address."""
    if user is not None and "@" in user:
        user = service.administration.find(user).id
    return parse_query(user=user, event=event, since=since)


def _all_events(service: Service, query: AuditQuery) -> Iterator[AuditEvent]:
    """Read page by page, so that memory does not grow with the trail."""
    after = None
    while page := service.store.audit.list_oldest(query, after=after, limit=PAGE):
        yield from page
        after = page[-1].id


def _row(event: AuditEvent) -> str:
    shown = show_event(event)
    details = " ".join(f"{name}={value}" for name, value in event.details.items())
    cells = [shown[name] for name in ("at", "event", "outcome", "actor", "subject", "ip")]
    return "\t".join(printable(cell or "-") for cell in [*cells, details])
