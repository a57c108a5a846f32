"""Conversion between rows and records: each record's columns in the order of its fields."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

from falcon_auth.access.scopes import is_role_name
from falcon_auth.models import Factor, Identity, Session, User
from falcon_auth.stores.sql.factor_tables import factors
from falcon_auth.stores.sql.identity_tables import identities
from falcon_auth.stores.sql.role_tables import parse_roles, roles_of_user
from falcon_auth.stores.sql.tables import sessions, users

NO_ID = "00000000-0000-0000-0000-000000000000"  # Matches no row.
NO_ROLE = ""  # Likewise.

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_USER_FIELDS = [field.name for field in fields(User) if field.name in users.c]
_USER_VALUES = [column.name for column in users.columns]
_SESSION_FIELDS = [field.name for field in fields(Session)]
_FACTOR_FIELDS = [field.name for field in fields(Factor)]
_IDENTITY_FIELDS = [field.name for field in fields(Identity)]

USER_COLUMNS = [*(users.c[name] for name in _USER_FIELDS), roles_of_user]
SESSION_COLUMNS = [sessions.c[name] for name in _SESSION_FIELDS]
FACTOR_COLUMNS = [factors.c[name] for name in _FACTOR_FIELDS]
IDENTITY_COLUMNS = [identities.c[name] for name in _IDENTITY_FIELDS]


def valid_id(given: str) -> str:
    """Return *given* if it is a UUID, else an id that no row has: ids may come from URLs."""
    return given if _ID.fullmatch(given) else NO_ID


def valid_role(given: str) -> str:
    """Return *given* if it can name a role, else what no role is named: PostgreSQL refuses NUL."""
    return given if is_role_name(given) else NO_ROLE


def to_user(row: Any) -> User:
    """Return the user in a row that begins with `USER_COLUMNS`."""
    user = User(**dict(zip(_USER_FIELDS, row, strict=False)))
    granted = row[len(_USER_FIELDS)]
    if not granted:
        return user
    names, scopes = parse_roles(granted)
    return replace(user, roles=names, scopes=scopes)


def user_values(user: User) -> dict[str, Any]:
    """Return the values of the columns of `users`."""
    return {name: getattr(user, name) for name in _USER_VALUES}


def to_factor(row: Any) -> Factor:
    """Return the factor in a row that begins with `FACTOR_COLUMNS`."""
    return Factor(**dict(zip(_FACTOR_FIELDS, row, strict=False)))


def to_identity(row: Any) -> Identity:
    """Make an identity of a row that begins with `IDENTITY_COLUMNS`."""
    return Identity(**dict(zip(_IDENTITY_FIELDS, row, strict=False)))


def to_session(row: Any) -> Session:
    """Return the session in a row that begins with `SESSION_COLUMNS`."""
    return Session(**dict(zip(_SESSION_FIELDS, row, strict=False)))
