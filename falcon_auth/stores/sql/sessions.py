"""The sessions in a database."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    Connection,
    Executable,
    Select,
    bindparam,
    case,
    delete,
    func,
    select,
    text,
    update,
)

from falcon_auth.models import NO_EFFECTS, Effects, Login, Session, User
from falcon_auth.store import Opening, Rotation
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.effects import write_effects
from falcon_auth.stores.sql.factor_uses import spend
from falcon_auth.stores.sql.identity_uses import use_identity
from falcon_auth.stores.sql.rows import (
    NO_ID,
    SESSION_COLUMNS,
    USER_COLUMNS,
    to_session,
    to_user,
    valid_id,
)
from falcon_auth.stores.sql.sweeping import may_sweep
from falcon_auth.stores.sql.tables import sessions, users


class SqlSessions:
    """A `SessionStore` on SQLite and PostgreSQL.

    Opening a session, and ending all sessions of a user, lock the user's row until the commit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.count = 0  # As of the last count.

    def open(
        self, session: Session, *, login: Login, limit: int, effects: Effects = NO_EFFECTS
    ) -> Opening | None:
        """Update the user conditionally, make room, and insert, in one transaction."""
        with self._database.transaction() as connection:
            checked = login.user
            row = connection.execute(
                _LOG_IN,
                {
                    "of_id": session.user_id,
                    "of_version": checked.password_version,
                    "of_factors": checked.factors_version,
                    "checked_hash": checked.password_hash,
                    "new_hash": login.upgraded_hash or checked.password_hash,
                    "now": session.created_at,
                },
            ).first()
            if row is None:
                return None
            if login.use is not None:
                spend(connection, login.use)
            if login.identity is not None:
                use_identity(connection, login.identity)
            room = {"of_user": session.user_id, "keep": limit - 1, "now": session.created_at}
            evicted = connection.execute(_MAKE_ROOM, room).rowcount
            connection.execute(sessions.insert(), asdict(session))
            write_effects(connection, effects)
            return Opening(to_user(row), evicted)

    def find(self, session_id: str) -> tuple[Session, User] | None:
        """Look up the id in one query."""
        row = self._database.one(_FIND, {"of_id": valid_id(session_id)})
        return None if row is None else (to_session(row), to_user(row[len(SESSION_COLUMNS) :]))

    def rotate(
        self, session_id: str, *, expected: int, now: float, expires_at: float
    ) -> Rotation | None:
        """Compare and set in one statement; a caller that lost reads the session again."""
        with self._database.single(writes=True) as connection:
            values = {"of_id": valid_id(session_id), "expected": expected, "now": now}
            rotated = connection.execute(_ROTATE, values | {"new_expiry": expires_at}).first()
            if rotated is not None:
                return Rotation(to_session(rotated), won=True)
            left = connection.execute(_LIVE, {"of_id": valid_id(session_id)}).first()
            return None if left is None else Rotation(to_session(left), won=False)

    def end(self, session_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> bool:
        """End it in one statement, and write the effects in its transaction."""
        with self._database.transaction() as connection:
            values = {"of_id": valid_id(session_id), "now": now}
            ended = connection.execute(_END, values).rowcount > 0
            if ended:
                write_effects(connection, effects)
            return ended

    def end_all_of(self, user_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> int:
        """Lock the user, then end the sessions, so that none is opened in between."""
        with self._database.transaction() as connection:
            connection.execute(_LOCK_USER, {"of_id": valid_id(user_id)})
            ended = end_all_of(connection, valid_id(user_id), now)
            if ended:
                write_effects(connection, effects)
            return ended

    def list_live(self, user_id: str, *, now: float) -> list[Session]:
        """Read them by the index of open sessions."""
        rows = self._database.all(_LIVE_OF_USER, {"of_user": valid_id(user_id), "now": now})
        return [to_session(row) for row in rows]

    def sweep(self, *, expired_before: float, ended_before: float, limit: int) -> bool:
        """Delete a slice of each kind; only one process sweeps at a time."""
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

    def recount(self) -> bool:
        """Update `count`; return False, as a chore of housekeeping without further work.

        On PostgreSQL it is the planner's estimate, because counting a million rows takes long.
        """
        row = self._database.one(_COUNT[self._database.kind], {})
        self.count = max(0, row[0]) if row else 0
        return False


def lock_open_session(connection: Connection, session_id: str, user_id: str) -> bool:
    """Lock one of a user's sessions until the commit; return whether it is open."""
    key = {"of_id": valid_id(session_id), "of_user": user_id}
    return connection.execute(_LOCK_OPEN_SESSION, key).first() is not None


def end_all_of(connection: Connection, user_id: str, now: float, keep: str = NO_ID) -> int:
    """End every open session of a user but *keep*, in the caller's transaction."""
    values = {"of_user": user_id, "now": now, "keep": keep}
    return connection.execute(_END_ALL, values).rowcount


# --- Statements, built once


def _sweep(column: Any) -> Any:
    """Delete a slice of the sessions whose *column* is before a time, skipping locked rows."""
    slice_ids: Select[Any] = (
        select(sessions.c.id)
        .where(column < bindparam("before"))
        .order_by(column)
        .limit(bindparam("slice"))
        .with_for_update(skip_locked=True)
    )
    return delete(sessions).where(sessions.c.id.in_(slice_ids))


_is_open = sessions.c.ended_at.is_(None)
_of_id = sessions.c.id == bindparam("of_id")
_of_user = sessions.c.user_id == bindparam("of_user")
_this_user = users.c.id == bindparam("of_id")

_LOCK_USER = select(users.c.id).where(_this_user).with_for_update(key_share=True)
_LOG_IN = (
    update(users)
    .where(
        _this_user,
        users.c.password_version == bindparam("of_version"),
        users.c.factors_version == bindparam("of_factors"),
        users.c.is_active,
    )
    .values(
        last_login_at=bindparam("now"),
        password_hash=case(
            (users.c.password_hash == bindparam("checked_hash"), bindparam("new_hash")),
            else_=users.c.password_hash,
        ),
    )
    .returning(*USER_COLUMNS)
)
_MAKE_ROOM = (
    update(sessions)
    .where(
        _is_open,
        sessions.c.id.in_(
            select(sessions.c.id)
            .where(_of_user, _is_open)
            .order_by(sessions.c.last_used_at.desc(), sessions.c.created_at.desc())
            .offset(bindparam("keep"))
        ),
    )
    .values(ended_at=bindparam("now"))
)
_FIND = select(*SESSION_COLUMNS, *USER_COLUMNS).join_from(sessions, users).where(_of_id)
_LIVE = select(*SESSION_COLUMNS).where(_of_id, _is_open)
_ROTATE = (
    update(sessions)
    .where(_of_id, _is_open, sessions.c.generation == bindparam("expected"))
    .values(
        generation=sessions.c.generation + 1,
        last_used_at=bindparam("now"),
        expires_at=bindparam("new_expiry"),
    )
    .returning(*SESSION_COLUMNS)
)
_END = update(sessions).where(_of_id, _is_open).values(ended_at=bindparam("now"))
_END_ALL = (
    update(sessions)
    .where(_of_user, _is_open, sessions.c.id != bindparam("keep"))
    .values(ended_at=bindparam("now"))
)
_LIVE_OF_USER = (
    select(*SESSION_COLUMNS)
    .where(_of_user, _is_open, sessions.c.expires_at > bindparam("now"))
    .order_by(sessions.c.created_at.desc())
)
_SWEEP_ENDED = _sweep(sessions.c.ended_at)
_SWEEP_EXPIRED = _sweep(sessions.c.expires_at)
_COUNT: dict[str, Executable] = {
    "sqlite": select(func.count()).select_from(sessions),
    "postgresql": text("SELECT reltuples::bigint FROM pg_class WHERE oid = 'sessions'::regclass"),
}
_LOCK_OPEN_SESSION = (
    select(sessions.c.id)
    .where(
        sessions.c.id == bindparam("of_id"),
        sessions.c.user_id == bindparam("of_user"),
        sessions.c.ended_at.is_(None),
    )
    .with_for_update(key_share=True)
)
