"""The SQL store, for SQLite and PostgreSQL.

Uniqueness is the indexes', and every decision is taken inside the statement that acts on it,
so that each method is right under READ COMMITTED. Who opens, or ends all of, a user's sessions
holds the lock on the user's row meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Select,
    bindparam,
    case,
    delete,
    exists,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.errors import AuthError, DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import Login, Session, User
from falcon_auth.sessions import Rotation
from falcon_auth.stores.bulk import add_users, list_users
from falcon_auth.stores.database import Database
from falcon_auth.stores.schema import sessions, users

SWEEP_LOCK = 0x66616C73  # PostgreSQL's advisory locks are numbers that applications choose.
NO_ID = "00000000-0000-0000-0000-000000000000"  # Matches no row.

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_USER_FIELDS = [field.name for field in fields(User)]
_SESSION_FIELDS = [field.name for field in fields(Session)]
_USER = [users.c[name] for name in _USER_FIELDS]
_SESSION = [sessions.c[name] for name in _SESSION_FIELDS]


class SqlStore:
    """Users and sessions in a database. Implements `UserStore` and `SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert_user = _insert_unless_taken(database.kind)
        self.session_count = 0  # When they were last counted.

    # --- UserStore

    def add_user(self, user: User, session: Session | None = None) -> None:
        """See `UserStore`."""
        with self._database.transaction() as connection:
            values = asdict(user) | {"username_key": user.username_key}
            if connection.execute(self._insert_user, values).first() is None:
                if connection.execute(_BY_EMAIL, {"key": user.email_key}).first():
                    raise DuplicateEmailError
                raise DuplicateUsernameError
            if session is not None:
                connection.execute(sessions.insert(), asdict(session))

    def add_users(self, users: Sequence[User]) -> dict[str, type[AuthError]]:
        """See `UserStore`."""
        with self._database.transaction() as connection:
            return add_users(connection, users)

    def list_users(self, *, after: str, limit: int) -> list[User]:
        """See `UserStore`. The order is that of the database's texts."""
        return list_users(self._database, after, limit)

    def find_by_email(self, key: str) -> User | None:
        """See `UserStore`."""
        row = self._database.one(_BY_EMAIL, {"key": key})
        return None if row is None else _to_user(row)

    def change_password(
        self, user: User, password_hash: str, *, keep_session: str, now: float
    ) -> bool:
        """See `UserStore`."""
        with self._database.transaction() as connection:
            values = {
                "of_id": user.id,
                "of_version": user.password_version,
                "new_hash": password_hash,
                "keep": keep_session,
                "now": now,
            }
            if not connection.execute(_CHANGE_PASSWORD, values).rowcount:
                return False
            _end_all(connection, user.id, now, keep=keep_session)
            return True

    def set_active(self, user_id: str, *, active: bool, now: float) -> bool:
        """See `UserStore`."""
        with self._database.transaction() as connection:
            values = {"of_id": _id(user_id), "active": active, "now": now}
            if not connection.execute(_SET_ACTIVE, values).rowcount:
                return False
            if not active:
                _end_all(connection, user_id, now)
            return True

    # --- SessionStore

    def add(self, session: Session, *, login: Login, limit: int) -> User | None:
        """See `SessionStore`."""
        with self._database.transaction() as connection:
            checked = login.user
            row = connection.execute(
                _LOG_IN,
                {
                    "of_id": session.user_id,
                    "of_version": checked.password_version,
                    "checked_hash": checked.password_hash,
                    "new_hash": login.upgraded_hash or checked.password_hash,
                    "now": session.created_at,
                },
            ).first()
            if row is None:
                return None
            room = {"of_user": session.user_id, "keep": limit - 1, "now": session.created_at}
            connection.execute(_MAKE_ROOM, room)
            connection.execute(sessions.insert(), asdict(session))
            return _to_user(row)

    def find(self, session_id: str) -> tuple[Session, User] | None:
        """See `SessionStore`. One query."""
        row = self._database.one(_FIND, {"of_id": _id(session_id)})
        return None if row is None else (_to_session(row), _to_user(row[len(_SESSION) :]))

    def advance(
        self, session_id: str, *, expected: int, now: float, expires_at: float
    ) -> Rotation | None:
        """See `SessionStore`."""
        with self._database.single() as connection:
            values = {"of_id": _id(session_id), "expected": expected, "now": now}
            moved = connection.execute(_ADVANCE, values | {"new_expiry": expires_at}).first()
            if moved is not None:
                return Rotation(_to_session(moved), won=True)
            left = connection.execute(_LIVE, {"of_id": _id(session_id)}).first()
            return None if left is None else Rotation(_to_session(left), won=False)

    def end(self, session_id: str, *, now: float) -> bool:
        """See `SessionStore`."""
        return self._database.change(_END, {"of_id": _id(session_id), "now": now}) > 0

    def end_all(self, user_id: str, *, now: float) -> int:
        """See `SessionStore`."""
        with self._database.transaction() as connection:
            connection.execute(_LOCK_USER, {"of_id": _id(user_id)})
            return _end_all(connection, _id(user_id), now)

    def list_live(self, user_id: str, *, now: float) -> list[Session]:
        """See `SessionStore`."""
        rows = self._database.all(_LIVE_OF_USER, {"of_user": _id(user_id), "now": now})
        return [_to_session(row) for row in rows]

    def sweep(self, *, expired_before: float, ended_before: float, limit: int) -> bool:
        """See `SessionStore`. Of several processes one sweeps at a time."""
        with self._database.transaction() as connection:
            if not may_sweep(connection):
                return False
            ended = {"before": ended_before, "slice": limit}
            expired = {"before": expired_before, "slice": limit}
            swept = (
                connection.execute(_SWEEP_ENDED, ended).rowcount,
                connection.execute(_SWEEP_EXPIRED, expired).rowcount,
            )
            return limit in swept

    def count_sessions(self) -> bool:
        """Bring `session_count` up to date; return False, as a chore does that is done.

        On PostgreSQL it is the planner's estimate: to count a million rows takes long.
        """
        row = self._database.one(_COUNT[self._database.kind], {})
        self.session_count = max(0, row[0]) if row else 0
        return False


def may_sweep(connection: Connection) -> bool:
    """Return whether this transaction may sweep; SQLite has one writer at a time anyway."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(SWEEP_LOCK))))


# --- Rows and records


def _id(given: str) -> str:
    """Return *given*, or an id that nothing has where it is none: it may come from a URL."""
    return given if _ID.fullmatch(given) else NO_ID


def _to_user(row: Any) -> User:
    return User(**dict(zip(_USER_FIELDS, row, strict=False)))


def _to_session(row: Any) -> Session:
    return Session(**dict(zip(_SESSION_FIELDS, row, strict=False)))


def _end_all(connection: Connection, user_id: str, now: float, keep: str = NO_ID) -> int:
    values = {"of_user": user_id, "now": now, "keep": keep}
    return connection.execute(_END_ALL, values).rowcount


# --- Statements, built once


def _insert_unless_taken(kind: str) -> Executable:
    dialect: Any = sqlite if kind == "sqlite" else postgresql
    insert: Executable = dialect.insert(users).on_conflict_do_nothing().returning(users.c.id)
    return insert


def _sweep(column: Any) -> Any:
    """Delete a slice of the sessions whose *column* lies before a time; rows in use are left."""
    slice_ids: Select[Any] = (
        select(sessions.c.id)
        .where(column < bindparam("before"))
        .order_by(column)
        .limit(bindparam("slice"))
        .with_for_update(skip_locked=True)
    )
    return delete(sessions).where(sessions.c.id.in_(slice_ids))


_now: ColumnElement[float] = bindparam("now")
_is_live = sessions.c.ended_at.is_(None)
_of_id = sessions.c.id == bindparam("of_id")
_of_user = sessions.c.user_id == bindparam("of_user")
_this_user = users.c.id == bindparam("of_id")
_same_password = users.c.password_version == bindparam("of_version")

_BY_EMAIL = select(*_USER).where(users.c.email_key == bindparam("key"))
_LOCK_USER = select(users.c.id).where(_this_user).with_for_update(key_share=True)
_keeps_session = exists().where(
    sessions.c.id == bindparam("keep"), sessions.c.user_id == users.c.id, _is_live
)
_CHANGE_PASSWORD = (
    update(users)
    .where(_this_user, _same_password, users.c.is_active, _keeps_session)
    .values(
        password_hash=bindparam("new_hash"),
        password_version=users.c.password_version + 1,
        updated_at=_now,
    )
)
_SET_ACTIVE = update(users).where(_this_user).values(is_active=bindparam("active"), updated_at=_now)
_LOG_IN = (
    update(users)
    .where(_this_user, _same_password, users.c.is_active)
    .values(
        last_login_at=_now,
        password_hash=case(
            (users.c.password_hash == bindparam("checked_hash"), bindparam("new_hash")),
            else_=users.c.password_hash,
        ),
    )
    .returning(*_USER)
)
_MAKE_ROOM = (
    update(sessions)
    .where(
        _is_live,
        sessions.c.id.in_(
            select(sessions.c.id)
            .where(_of_user, _is_live)
            .order_by(sessions.c.last_used_at.desc(), sessions.c.created_at.desc())
            .offset(bindparam("keep"))
        ),
    )
    .values(ended_at=_now)
)
_FIND = select(*_SESSION, *_USER).join_from(sessions, users).where(_of_id)
_LIVE = select(*_SESSION).where(_of_id, _is_live)
_ADVANCE = (
    update(sessions)
    .where(_of_id, _is_live, sessions.c.generation == bindparam("expected"))
    .values(
        generation=sessions.c.generation + 1,
        last_used_at=_now,
        expires_at=bindparam("new_expiry"),
    )
    .returning(*_SESSION)
)
_END = update(sessions).where(_of_id, _is_live).values(ended_at=_now)
_END_ALL = (
    update(sessions)
    .where(_of_user, _is_live, sessions.c.id != bindparam("keep"))
    .values(ended_at=_now)
)
_LIVE_OF_USER = (
    select(*_SESSION)
    .where(_of_user, _is_live, sessions.c.expires_at > _now)
    .order_by(sessions.c.created_at.desc())
)
_SWEEP_ENDED = _sweep(sessions.c.ended_at)
_SWEEP_EXPIRED = _sweep(sessions.c.expires_at)
_COUNT: dict[str, Executable] = {
    "sqlite": select(func.count()).select_from(sessions),
    "postgresql": text("SELECT reltuples::bigint FROM pg_class WHERE oid = 'sessions'::regclass"),
}
