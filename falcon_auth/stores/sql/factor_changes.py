"""How a user's factors change, statement by statement; `SqlFactors` runs them in its transactions.

The caller locks the user first, by `lock_owner` or `lock_unchanged`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.models import Factor, RecoveryCodes, Session, User
from falcon_auth.stores.sql.factor_tables import factors, recovery_codes
from falcon_auth.stores.sql.rows import (
    SESSION_COLUMNS,
    USER_COLUMNS,
    to_session,
    to_user,
    valid_id,
)
from falcon_auth.stores.sql.tables import sessions, users


def lock_owner(connection: Connection, user_id: str) -> User | None:
    """Lock the user's row; return the user, or None if there is none."""
    row = connection.execute(_LOCK_USER, {"of_id": valid_id(user_id)}).first()
    return None if row is None else to_user(row)


def lock_unchanged(connection: Connection, user: User) -> User | None:
    """Lock the user's row; None if the factors have changed since *user* was read."""
    stored = lock_owner(connection, user.id)
    unchanged = stored is not None and stored.factors_version == user.factors_version
    return stored if unchanged else None


def activate(connection: Connection, factor: Factor) -> bool:
    """Insert a passkey, or confirm a pending app; False if it is known already, or gone."""
    if factor.credential_id is not None:
        insert = _INSERT_UNLESS_KNOWN[connection.dialect.name]
        return connection.execute(insert, asdict(factor)).first() is not None
    values = {
        "of_id": factor.id,
        "of_user": factor.user_id,
        "now": factor.confirmed_at,
        "step": factor.last_step,
    }
    return connection.execute(_CONFIRM_PENDING, values).rowcount > 0


def set_count(connection: Connection, user: User, factor_count: int, *, now: float) -> None:
    """Store the number of active factors, and note that they, or the codes, have changed."""
    connection.execute(_SET_COUNT, {"of_id": user.id, "new_count": factor_count, "now": now})


def has_codes(connection: Connection, user_id: str) -> bool:
    """Return whether the user has a set of recovery codes."""
    return connection.execute(_CODES_OF, {"of_user": user_id}).first() is not None


def add_codes(connection: Connection, codes: RecoveryCodes) -> None:
    """Insert a set of recovery codes."""
    connection.execute(factors.insert(), asdict(codes.factor))
    rows: list[Mapping[str, Any]] = [
        {"factor_id": codes.factor.id, "code_hash": code_hash} for code_hash in codes.hashes
    ]
    connection.execute(recovery_codes.insert(), rows)


def delete_codes(connection: Connection, user_id: str) -> None:
    """Delete the user's set of recovery codes."""
    connection.execute(_DELETE_CODES, {"of_user": user_id})


def confirm_session(
    connection: Connection, session_id: str, auth_time: float, amr: tuple[str, ...]
) -> Session | None:
    """Record a further proof in an open session; None if the session is over."""
    proof = {"of_id": valid_id(session_id), "at": auth_time, "methods": amr}
    row = connection.execute(_CONFIRM_SESSION, proof).first()
    return None if row is None else to_session(row)


# --- Statements, built once

_this_user = users.c.id == bindparam("of_id")
_of_user = factors.c.user_id == bindparam("of_user")
_is_set_of_codes = factors.c.kind == "recovery_code"
_INSERT_UNLESS_KNOWN = {
    "sqlite": sqlite.insert(factors).on_conflict_do_nothing().returning(factors.c.id),
    "postgresql": postgresql.insert(factors).on_conflict_do_nothing().returning(factors.c.id),
}
_LOCK_USER = select(*USER_COLUMNS).where(_this_user).with_for_update(key_share=True)
_CONFIRM_PENDING = (
    update(factors)
    .where(factors.c.id == bindparam("of_id"), _of_user, factors.c.confirmed_at.is_(None))
    .values(confirmed_at=bindparam("now"), last_step=bindparam("step"))
)
_CODES_OF = select(factors.c.id).where(_of_user, _is_set_of_codes)
_CONFIRM_SESSION = (
    update(sessions)
    .where(sessions.c.id == bindparam("of_id"), sessions.c.ended_at.is_(None))
    .values(auth_time=bindparam("at"), amr=bindparam("methods"))
    .returning(*SESSION_COLUMNS)
)
_SET_COUNT = (
    update(users)
    .where(_this_user)
    .values(
        factor_count=bindparam("new_count"),
        factors_version=users.c.factors_version + 1,
        updated_at=bindparam("now"),
    )
)
_DELETE_CODES = delete(factors).where(_of_user, _is_set_of_codes)
