"""The identities in a database."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.errors import DuplicateEmailError, IdentityTakenError
from falcon_auth.models import (
    NO_EFFECTS,
    Effects,
    Identity,
    IdentityUse,
    Session,
    SpentChallenge,
    User,
)
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.effects import write_effects
from falcon_auth.stores.sql.factor_changes import lock_owner
from falcon_auth.stores.sql.factor_uses import spend_challenge
from falcon_auth.stores.sql.identity_tables import identities
from falcon_auth.stores.sql.identity_uses import use_identity
from falcon_auth.stores.sql.rows import (
    IDENTITY_COLUMNS,
    USER_COLUMNS,
    to_identity,
    to_user,
    user_values,
    valid_id,
)
from falcon_auth.stores.sql.sessions import lock_open_session
from falcon_auth.stores.sql.tables import users
from falcon_auth.stores.sql.ways_in import check_way_in


class _UndoneError(Exception):
    """A condition does not hold: what the transaction did so far is to be undone."""


class SqlIdentities:
    """An `IdentityStore` on SQLite and PostgreSQL. Uniqueness is the index's.

    Whoever changes a user's identities holds the lock on the user's row meanwhile, and takes it
    first.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert_user = _insert_unless_known(database.kind, users)
        self._insert = _insert_unless_known(database.kind, identities)

    def find(self, issuer: str, subject: str) -> tuple[Identity, User] | None:
        """Look both up by the index, in one query."""
        row = self._database.one(_BY_SUBJECT, {"issuer": issuer, "subject": subject})
        return None if row is None else _with_user(row)

    def find_by_id(self, identity_id: str) -> tuple[Identity, User] | None:
        """Look the id up, in one query."""
        row = self._database.one(_BY_ID, {"of_id": valid_id(identity_id)})
        return None if row is None else _with_user(row)

    def list_of(self, user_id: str) -> list[Identity]:
        """Read them by the index of users."""
        rows = self._database.all(_OF_USER, {"of_user": valid_id(user_id)})
        return [to_identity(row) for row in rows]

    def register(self, user: User, identity: Identity, *, effects: Effects = NO_EFFECTS) -> None:
        """Insert both in one transaction."""
        with self._database.transaction() as connection:
            if connection.execute(self._insert_user, user_values(user)).first() is None:
                raise DuplicateEmailError
            self._add(connection, identity)
            write_effects(connection, effects)

    def link(
        self,
        identity: Identity,
        *,
        session: Session,
        spends: SpentChallenge,
        limit: int,
        effects: Effects = NO_EFFECTS,
    ) -> bool:
        """Lock the user, then the session; what is true then stays so until the commit."""
        with suppress(_UndoneError), self._database.transaction() as connection:
            user = lock_owner(connection, identity.user_id)
            if user is None or not user.is_active or session.user_id != user.id:
                raise _UndoneError
            if not lock_open_session(connection, session.id, user.id):
                raise _UndoneError
            if len(connection.execute(_OF_USER, {"of_user": user.id}).all()) >= limit:
                raise _UndoneError
            if not spend_challenge(connection, spends):
                raise _UndoneError
            self._add(connection, identity)
            write_effects(connection, effects)
            return True
        return False

    def unlink(
        self, user_id: str, identity_id: str, *, effects: Effects = NO_EFFECTS
    ) -> Identity | None:
        """Lock the user, then look for another way in, and delete."""
        with self._database.transaction() as connection:
            user = lock_owner(connection, user_id)
            found = connection.execute(_BY_ID, {"of_id": valid_id(identity_id)}).first()
            identity = None if found is None else to_identity(found)
            if user is None or identity is None or identity.user_id != user.id:
                return None
            check_way_in(connection, user, without=identity.id)
            connection.execute(_DELETE, {"of_id": identity.id})
            write_effects(connection, effects)
            return identity

    def use(self, use: IdentityUse) -> None:
        """Note and spend in one transaction."""
        with self._database.transaction() as connection:
            use_identity(connection, use)

    def spend(self, challenge: SpentChallenge) -> bool:
        """Insert in one transaction: a lost answer must not look like one that was spent."""
        with self._database.transaction() as connection:
            return spend_challenge(connection, challenge)

    def _add(self, connection: Connection, identity: Identity) -> None:
        if connection.execute(self._insert, asdict(identity)).first() is None:
            raise IdentityTakenError


def _with_user(row: Any) -> tuple[Identity, User]:
    return to_identity(row), to_user(row[len(IDENTITY_COLUMNS) :])


# --- Statements, built once


def _insert_unless_known(kind: str, table: Any) -> Executable:
    dialect: Any = sqlite if kind == "sqlite" else postgresql
    insert: Executable = dialect.insert(table).on_conflict_do_nothing().returning(table.c.id)
    return insert


_this_identity = identities.c.id == bindparam("of_id")
_found = select(*IDENTITY_COLUMNS, *USER_COLUMNS).join_from(identities, users)
_BY_ID = _found.where(_this_identity)
_BY_SUBJECT = _found.where(
    identities.c.issuer == bindparam("issuer"), identities.c.subject == bindparam("subject")
)
_OF_USER = (
    select(*IDENTITY_COLUMNS)
    .where(identities.c.user_id == bindparam("of_user"))
    .order_by(identities.c.created_at, identities.c.id)
)
_DELETE = delete(identities).where(_this_identity)
