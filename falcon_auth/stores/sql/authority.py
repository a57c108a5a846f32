"""Who may change whom, decided inside the transaction of the change.

A change of a user locks the user's row first, and then, where anybody's roles matter, the lock on
roles: it serialises the changes of roles and those of users who have some. What is read under it
is true until the commit. SQLite has one writer at a time, and needs neither.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, literal_column, select, type_coerce
from sqlalchemy import Text as TextType

from falcon_auth.access.rules import check_authority
from falcon_auth.access.scopes import ADMIN
from falcon_auth.errors import LastAdministratorError
from falcon_auth.models import User
from falcon_auth.store import Authority
from falcon_auth.stores.sql.role_tables import roles, user_roles
from falcon_auth.stores.sql.rows import USER_COLUMNS, to_user, valid_id
from falcon_auth.stores.sql.tables import users

ROLES_LOCK = 0x726F6C65  # PostgreSQL's advisory locks are numbers that applications choose.


def lock_user(connection: Connection, user_id: str) -> Any:
    """Lock a user's row; return its `has_roles` and `email_version`, None if there is none."""
    return connection.execute(_LOCK_USER, {"of_id": valid_id(user_id)}).first()


def lock_roles(connection: Connection) -> None:
    """Let one transaction at a time decide on roles, until it is committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_ROLES)


def find_user(connection: Connection, user_id: str) -> User | None:
    """Return a user as this transaction sees it."""
    row = connection.execute(_BY_ID, {"of_id": valid_id(user_id)}).first()
    return None if row is None else to_user(row)


def authorise(connection: Connection, by: Authority | None, *touched: Collection[str]) -> None:
    """Refuse an actor who lacks a scope; the caller holds the lock on roles.

    Raises as `check_authority` does.
    """
    if by is not None:
        check_authority(by, find_user(connection, by.actor_id), *touched)


def lock_subject(connection: Connection, user_id: str, by: Authority | None) -> User | None:
    """Lock the user who is to be changed in the name of *by*; return the user, None if unknown.

    Raises as `check_authority` does.
    """
    locked = lock_user(connection, user_id)
    if locked is None:
        user = None
    else:
        if by is not None or locked.has_roles:
            lock_roles(connection)
        user = find_user(connection, user_id)
    if user is not None:
        authorise(connection, by, user.scopes)
    return user


def has_administrator(connection: Connection) -> bool:
    """Return whether there is an administrator, as this transaction sees it."""
    return bool(connection.scalar(_ADMINISTRATOR))


def require_administrator(connection: Connection) -> None:
    """Raise `LastAdministratorError` where the transaction has taken the last one away."""
    if not has_administrator(connection):
        raise LastAdministratorError


# --- Statements, built once

_this_user = users.c.id == bindparam("of_id", type_=users.c.id.type)
_BY_ID = select(*USER_COLUMNS).where(_this_user)
_LOCK_USER = select(users.c.has_roles, users.c.email_version).where(_this_user).with_for_update()
_LOCK_ROLES = select(func.pg_advisory_xact_lock(literal_column(str(ROLES_LOCK))))
_padded = literal_column("' '").concat(type_coerce(roles.c.scopes, TextType)).concat(" ")
_ADMINISTRATOR = select(
    exists()
    .where(user_roles.c.role == roles.c.name, user_roles.c.user_id == users.c.id)
    .where(users.c.is_active, _padded.contains(f" {ADMIN} ", autoescape=True))
)
