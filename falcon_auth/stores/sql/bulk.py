"""Insertion of many users in one transaction, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, cast, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.errors import AuthError, DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import User
from falcon_auth.stores.sql.role_tables import roles, user_roles
from falcon_auth.stores.sql.tables import users as table

_COLUMNS = [column.name for column in table.columns]


def add_users(connection: Connection, users: Sequence[User]) -> dict[str, type[AuthError]]:
    """Insert the users without conflicts, in the caller's transaction; return why others failed."""
    if not users:
        return {}
    added = set(_insert(connection, users))
    refused = [user for user in users if user.id not in added]
    _grant(connection, [user for user in users if user.id in added])
    if not refused:
        return {}
    keys, ids = [user.email_key for user in refused], [user.id for user in refused]
    taken = {text for row in connection.execute(_TAKEN, {"keys": keys, "ids": ids}) for text in row}
    return {
        user.id: DuplicateEmailError
        if {user.email_key, user.id} & taken
        else DuplicateUsernameError
        for user in refused
    }


def _insert(connection: Connection, users: Sequence[User]) -> Sequence[str]:
    """Insert the users without conflicts, in the given order; return their ids."""
    if connection.dialect.name == "sqlite":
        rows = [{name: getattr(user, name) for name in _COLUMNS} for user in users]
        return connection.scalars(_INSERT_ROWS, rows).all()
    columns = {name: [getattr(user, name) for user in users] for name in _COLUMNS}
    return connection.scalars(_INSERT_COLUMNS, columns).all()


def _grant(connection: Connection, users: Sequence[User]) -> None:
    """Grant them their roles, those that are defined; they are new, so that they have none yet."""
    rows = [{"of_user": user.id, "of_name": role} for user in users for role in user.roles]
    if rows:
        connection.execute(_GRANT, rows)


_GRANT = user_roles.insert().from_select(
    ["user_id", "role"],
    select(cast(bindparam("of_user", type_=table.c.id.type), table.c.id.type), roles.c.name).where(
        roles.c.name == bindparam("of_name")
    ),
)
_TAKEN = select(table.c.email_key, table.c.id).where(
    or_(
        table.c.email_key.in_(bindparam("keys", expanding=True)),
        table.c.id.in_(bindparam("ids", expanding=True)),
    )
)
_INSERT_ROWS = sqlite.insert(table).on_conflict_do_nothing().returning(table.c.id)
# On PostgreSQL, one array per column: with one parameter per value, 11,000 for a thousand users,
# parsing the statement took as long as executing it.
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
