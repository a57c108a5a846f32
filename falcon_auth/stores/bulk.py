"""Many users at a time, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.errors import AuthError, DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import User
from falcon_auth.stores.database import Database
from falcon_auth.stores.schema import users as table

_FIELDS = [field.name for field in fields(User)]
_COLUMNS = [column.name for column in table.columns]


def add_users(connection: Connection, users: Sequence[User]) -> dict[str, type[AuthError]]:
    """See `UserStore.add_users`; the transaction is the caller's."""
    if not users:
        return {}
    added = set(_insert(connection, users))
    refused = [user for user in users if user.id not in added]
    if not refused:
        return {}
    keys = [user.email_key for user in refused]
    taken = set(connection.scalars(_TAKEN, {"keys": keys}))
    return {
        user.id: DuplicateEmailError if user.email_key in taken else DuplicateUsernameError
        for user in refused
    }


def list_users(database: Database, after: str, limit: int) -> list[User]:
    """See `UserStore.list_users`."""
    rows = database.all(_PAGE, {"after": after, "page": limit})
    return [User(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


def _insert(connection: Connection, users: Sequence[User]) -> Sequence[str]:
    """Insert those that are free, in the order given; return their ids."""
    if connection.dialect.name == "sqlite":
        rows = [{name: getattr(user, name) for name in _COLUMNS} for user in users]
        return connection.scalars(_INSERT_ROWS, rows).all()
    columns = {name: [getattr(user, name) for user in users] for name in _COLUMNS}
    return connection.scalars(_INSERT_COLUMNS, columns).all()


_PAGE = (
    select(*(table.c[name] for name in _FIELDS))
    .where(table.c.email_key > bindparam("after"))
    .order_by(table.c.email_key)
    .limit(bindparam("page"))
)
_TAKEN = select(table.c.email_key).where(table.c.email_key.in_(bindparam("keys", expanding=True)))
_INSERT_ROWS = sqlite.insert(table).on_conflict_do_nothing().returning(table.c.id)
# PostgreSQL takes an array for each column: with a parameter for each value, 11,000 for a
# thousand users, reading the statement took as long as doing it.
_INSERT_COLUMNS = (
    postgresql.insert(table)
    .from_select(
        _COLUMNS,
        select(
            *(
                func.unnest(bindparam(column.name, type_=postgresql.ARRAY(column.type)))
                for column in table.columns
            )
        ),
    )
    .on_conflict_do_nothing()
    .returning(table.c.id)
)
