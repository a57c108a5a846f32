"""The users in a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Executable, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.access.rules import is_administrator
from falcon_auth.errors import AuthError, DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import NO_EFFECTS, AuditEvent, Effects, Login, Session, User
from falcon_auth.store import Addition, Authority, Change
from falcon_auth.stores.sql import user_changes
from falcon_auth.stores.sql.audit_writing import (
    erase_clients_of,
    insert_events,
    note_erasure,
)
from falcon_auth.stores.sql.authority import lock_subject, require_administrator
from falcon_auth.stores.sql.bulk import add_users
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.effects import write_effects
from falcon_auth.stores.sql.roles import add_grants, check_grants
from falcon_auth.stores.sql.rows import USER_COLUMNS, to_user, user_values, valid_id
from falcon_auth.stores.sql.sessions import end_all_of, lock_open_session
from falcon_auth.stores.sql.tables import sessions, users


class SqlUsers:
    """A `UserStore` on SQLite and PostgreSQL. Indexes enforce uniqueness."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = _insert_unless_taken(database.kind)

    def add(
        self,
        user: User,
        session: Session | None = None,
        *,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> None:
        """Insert both in one transaction."""
        with self._database.transaction() as connection:
            check_grants(connection, user, by)
            if connection.execute(self._insert, user_values(user)).first() is None:
                if connection.execute(_BY_EMAIL, {"key": user.email_key}).first():
                    raise DuplicateEmailError
                raise DuplicateUsernameError
            add_grants(connection, {user.id: user.roles})
            if session is not None:
                connection.execute(sessions.insert(), asdict(session))
            write_effects(connection, effects)

    def add_quietly(self, user: User, *, effects: Mapping[Addition, Effects]) -> Addition:
        """Check and insert in one transaction."""
        with self._database.transaction() as connection:
            result = user_changes.add_quietly(connection, self._insert, user)
            write_effects(connection, effects[result])
            return result

    def add_many(
        self, users: Sequence[User], *, events: Sequence[AuditEvent] = ()
    ) -> dict[str, type[AuthError]]:
        """Insert those without a conflict in one transaction."""
        with self._database.transaction() as connection:
            refused = add_users(connection, users)
            insert_events(connection, [each for each in events if each.subject not in refused])
            return refused

    def list_by_email(self, *, after: str, limit: int) -> list[User]:
        """Read a page by the index, in the database's order of texts."""
        rows = self._database.all(_PAGE, {"after": after, "page": limit})
        return [to_user(row) for row in rows]

    def find_by_email(self, key: str) -> User | None:
        """Look up the key in one query."""
        row = self._database.one(_BY_EMAIL, {"key": key})
        return None if row is None else to_user(row)

    def upgrade_hash(self, login: Login) -> None:
        """Compare and set in one statement, which is repeatable."""
        checked = login.user.password_hash
        values = {"of_id": login.user.id, "checked": checked, "new": login.upgraded_hash or checked}
        self._database.change(_UPGRADE_HASH, values)

    def change_password(
        self,
        user: User,
        password_hash: str,
        *,
        keep_session: str,
        now: float,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Lock the user, then the session, so that the conditions hold until the commit.

        On PostgreSQL, an update that waits for the user's row evaluates conditions on other rows as
        of before the wait, so they are checked separately, after locking.
        """
        with self._database.transaction() as connection:
            of_user = {"of_id": user.id, "of_version": user.password_version}
            if connection.execute(_LOCK_UNCHANGED, of_user).first() is None:
                return None
            if not lock_open_session(connection, keep_session, user.id):
                return None
            changed = {"of_id": user.id, "new_hash": password_hash, "now": now}
            connection.execute(_CHANGE_PASSWORD, changed)
            ended = end_all_of(connection, user.id, now, keep=keep_session)
            write_effects(connection, effects)
            return Change(ended)

    def set_password(
        self, user_id: str, password_hash: str, *, now: float, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Update, which locks the user, and end the sessions, in one transaction."""
        with self._database.transaction() as connection:
            changed = {"of_id": valid_id(user_id), "new_hash": password_hash, "now": now}
            if not connection.execute(_CHANGE_PASSWORD, changed).rowcount:
                return None
            ended = end_all_of(connection, user_id, now)
            write_effects(connection, effects)
            return Change(ended)

    def set_active(
        self,
        user_id: str,
        *,
        active: bool,
        now: float,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Lock the user, update, and end the sessions if it is disabled, in one transaction."""
        with self._database.transaction() as connection:
            user = lock_subject(connection, user_id, by)
            if user is None:
                return None
            connection.execute(_SET_ACTIVE, {"of_id": user.id, "active": active, "now": now})
            if is_administrator(user):
                require_administrator(connection)
            ended = 0 if active else end_all_of(connection, user.id, now)
            write_effects(connection, effects)
            return Change(ended)

    # --- The life of an account

    def find(self, user_id: str) -> User | None:
        """Look up the id in one query."""
        row = self._database.one(_BY_ID, {"of_id": valid_id(user_id)})
        return None if row is None else to_user(row)

    def tell(self, user: User, effects: Effects) -> bool:
        """Lock the user, then write, in one transaction."""
        with self._database.transaction() as connection:
            if not user_changes.lock_unchanged(connection, user):
                return False
            write_effects(connection, effects)
            return True

    def verify_email(self, user: User, *, now: float, effects: Effects = NO_EFFECTS) -> bool:
        """Compare and set in one statement."""
        with self._database.transaction() as connection:
            if not user_changes.verify_email(connection, user, now):
                return False
            write_effects(connection, effects)
            return True

    def reset_password(
        self, user: User, password_hash: str, *, now: float, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Compare and set, and end the sessions, in one transaction."""
        with self._database.transaction() as connection:
            if not user_changes.reset_password(connection, user, password_hash, now):
                return None
            ended = end_all_of(connection, user.id, now)
            write_effects(connection, effects)
            return Change(ended)

    def change_email(
        self,
        user: User,
        *,
        email: str,
        email_key: str,
        keep_session: str,
        now: float,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Lock the user, then the session, so that the conditions hold until the commit."""
        with self._database.transaction() as connection:
            user_changes.refuse_taken_email(connection, user, email_key)
            if not user_changes.lock_for_change(connection, user):
                return None
            if not lock_open_session(connection, keep_session, user.id):
                return None
            user_changes.change_email(connection, user, email, email_key, now)
            ended = end_all_of(connection, user.id, now, keep=keep_session)
            write_effects(connection, effects)
            return Change(ended)

    def rename(
        self, user_id: str, username: str | None, *, now: float, effects: Effects = NO_EFFECTS
    ) -> User | None:
        """Update in one statement; the index decides conflicts."""
        with self._database.transaction() as connection:
            renamed = user_changes.rename(connection, user_id, username, now)
            if renamed is not None:
                write_effects(connection, effects)
            return renamed

    def delete(
        self,
        user_id: str,
        *,
        only_version: int | None = None,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Lock the user, then delete everything, in one transaction."""
        with self._database.transaction() as connection:
            user = lock_subject(connection, user_id, by)
            if user is None or only_version not in {None, user.email_version}:
                return None
            live = user_changes.delete_user(connection, user.id)
            if is_administrator(user):
                require_administrator(connection)
            write_effects(connection, effects)
            if not erase_clients_of(connection, user_id):
                note_erasure(connection, user_id)
            return Change(live)


# --- Statements, built once


def _insert_unless_taken(kind: str) -> Executable:
    dialect: Any = sqlite if kind == "sqlite" else postgresql
    insert: Executable = dialect.insert(users).on_conflict_do_nothing().returning(users.c.id)
    return insert


_this_user = users.c.id == bindparam("of_id")
_BY_ID = select(*USER_COLUMNS).where(_this_user)
_BY_EMAIL = select(*USER_COLUMNS).where(users.c.email_key == bindparam("key"))
_PAGE = (
    select(*USER_COLUMNS)
    .where(users.c.email_key > bindparam("after"))
    .order_by(users.c.email_key)
    .limit(bindparam("page"))
)
_LOCK_UNCHANGED = (
    select(users.c.id)
    .where(_this_user, users.c.password_version == bindparam("of_version"), users.c.is_active)
    .with_for_update(key_share=True)
)
_UPGRADE_HASH = (
    update(users)
    .where(_this_user, users.c.password_hash == bindparam("checked"))
    .values(password_hash=bindparam("new"))
)
_CHANGE_PASSWORD = (
    update(users)
    .where(_this_user)
    .values(
        password_hash=bindparam("new_hash"),
        password_version=users.c.password_version + 1,
        updated_at=bindparam("now"),
    )
)
_SET_ACTIVE = (
    update(users)
    .where(_this_user)
    .values(is_active=bindparam("active"), updated_at=bindparam("now"))
)
