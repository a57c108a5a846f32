"""`audit`: read, export and verify the audit trail."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from falcon_auth.api.views import show_event
from falcon_auth.audit.reading import parse_query
from falcon_auth.audit.verification import Verification
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
    """Read, export and verify the audit trail."""


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


@audit.command()
@click.option("--since", help="Accept events outside the chain that are older than this time.")
@verbose_option
def verify(*, since: str | None) -> None:
    """Verify the hash chain that AUDIT_CHAIN writes; exit with code 1 if anything is wrong.

    Prints a line for each event or position that is not as it was written, then where the chain
    begins, and its newest position and digest: note them elsewhere.
    """
    with administer() as service:
        chain = service.backend.audit_chain
        if chain is None or not chain.read_head().position:
            raise click.ClickException("There is no chain: set AUDIT_CHAIN=true and DATABASE_URL.")
        verification, found = Verification(chain), 0
        for each in verification.find(accept_before=parse_query(since=since).since):
            click.echo(f"{each.where} {each.what}")
            found += 1
        click.echo(_summary(verification))
        if found:
            raise click.ClickException(f"Found: {found}.")


def _summary(verified: Verification) -> str:
    head = verified.head
    begins = "None of its events is kept"
    if verified.first is not None:
        at = show_event(verified.first)["at"] if type(verified.first.at) is float else "-"
        begins = f"Begins at {at} with event {verified.first.id}"
    return (
        f"{begins}; {verified.count} events, of which {verified.blanked} have no client since"
        f" their user was deleted.\nThe end: position {head.position}, digest {head.digest.hex()}"
    )


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
