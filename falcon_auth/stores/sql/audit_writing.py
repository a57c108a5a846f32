"""What is written in the audit trail, statement by statement, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.models import AuditEvent, Failure
from falcon_auth.store import FAILURES_PER_HOUR
from falcon_auth.stores.sql.audit_chain import CHAINED, append_links
from falcon_auth.stores.sql.audit_tables import audit_erasures, audit_events, audit_failures

ERASED_AT_ONCE = 2000  # Rows: some 50 ms. Of a user with more, housekeeping does the rest.
SHARE = ""  # In the place of an event: all failures of an account or client.


def insert_events(connection: Connection, events: Sequence[AuditEvent]) -> None:
    """Insert events, if there are any: the last step of the caller's transaction.

    Where the chain is on, its end is locked until that transaction ends.
    """
    if not events:
        return
    rows = [asdict(event) for event in events]
    if connection.get_execution_options().get(CHAINED):
        rows = append_links(connection, events, rows)
    connection.execute(audit_events.insert(), rows)


def count_failure(connection: Connection, failure: Failure) -> bool:
    """Count a failure; return whether its event is to be kept, as no share is used up.

    The rows of the shares are locked until the transaction ends, the account's first.
    """
    kind = connection.dialect.name
    keys = {"account": f"account/{failure.account}", "client": f"client/{failure.client}"}
    rows = connection.execute(_COUNT[kind], {"of_hour": failure.hour, **keys}).all()
    used_up = {row.key for row in rows if row.hits > FAILURES_PER_HOUR}
    if not used_up:
        return True
    is_accounts = keys["account"] in used_up
    counted = {
        "hour": failure.hour,
        "key": keys["account"] if is_accounts else keys["client"],
        "event": failure.event.event,
        "hits": 1,
        "subject": failure.event.subject if is_accounts else None,
        "ip": None if is_accounts else failure.client,
    }
    connection.execute(_COUNT_INSTEAD[kind], counted)
    return False


def erase_clients_of(connection: Connection, user_id: str) -> bool:
    """Blank addresses and browsers in a deleted user's events; return whether all are.

    Those of others stay: an administrator's, where one did something to the user.
    """
    values = {"user": user_id, "of_user": user_id, "slice": ERASED_AT_ONCE}
    erased = [connection.execute(statement, values).rowcount for statement in _ERASE]
    return ERASED_AT_ONCE not in erased


def note_erasure(connection: Connection, user_id: str) -> None:
    """Have housekeeping go on with `erase_clients_of`."""
    connection.execute(audit_erasures.insert(), {"user_id": user_id})


# --- Statements, built once


def _count(dialect: Any) -> Any:
    """Count a failure in the shares of its account and its client; the order avoids deadlocks."""
    insert = dialect.insert(audit_failures).values(
        [
            {"hour": bindparam("of_hour"), "key": bindparam(name), "event": SHARE, "hits": 1}
            for name in ("account", "client")
        ]
    )
    hits = audit_failures.c.hits + 1
    return insert.on_conflict_do_update(
        index_elements=audit_failures.primary_key, set_={"hits": hits}
    ).returning(audit_failures.c.key, audit_failures.c.hits)


def _count_instead(dialect: Any) -> Any:
    insert = dialect.insert(audit_failures)
    return insert.on_conflict_do_update(
        index_elements=audit_failures.primary_key,
        set_={
            "hits": audit_failures.c.hits + 1,
            "subject": func.coalesce(audit_failures.c.subject, insert.excluded.subject),
        },
    )


def _erase(*of_user: Any) -> Any:
    slice_ids = (
        select(audit_events.c.id)
        .where(
            *of_user,
            or_(audit_events.c.ip.is_not(None), audit_events.c.user_agent.is_not(None)),
        )
        .order_by(audit_events.c.id.desc())
        .limit(bindparam("slice"))
    )
    return (
        update(audit_events)
        .where(audit_events.c.id.in_(slice_ids))
        .values(ip=None, user_agent=None, salt=None)
    )


_dialects = {"sqlite": sqlite, "postgresql": postgresql}
_COUNT = {name: _count(dialect) for name, dialect in _dialects.items()}
_COUNT_INSTEAD = {name: _count_instead(dialect) for name, dialect in _dialects.items()}
_ERASE = (
    _erase(audit_events.c.subject == bindparam("of_user"), audit_events.c.actor.is_(None)),
    _erase(audit_events.c.actor == bindparam("user")),
)
