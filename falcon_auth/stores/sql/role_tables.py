"""The tables of roles, and the roles of a user as one column of every query for users."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    Uuid,
    case,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from falcon_auth.stores.sql.tables import Words, metadata, users

roles = Table(
    "roles",
    metadata,
    Column("name", Text, primary_key=True),
    Column("scopes", Words, nullable=False),
)

user_roles = Table(
    "user_roles",
    metadata,
    Column(
        "user_id",
        Uuid(as_uuid=False),
        ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("role", Text, ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True),
    Index("user_roles_role_idx", "role"),
)


def parse_roles(granted: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the names, sorted, and the scopes of the roles in a value of `roles_of_user`."""
    scopes_by_name = dict(each.split("=", 1) for each in granted.split('"'))
    scopes = frozenset(" ".join(scopes_by_name.values()).split())
    return tuple(sorted(scopes_by_name)), scopes


class _Joined(FunctionElement[str]):
    """The texts of several rows as one, with another text between them.

    SQLAlchemy's `aggregate_strings` would make each execution look through the statement's text.
    """

    type = Text()
    inherit_cache = True


@compiles(_Joined, "sqlite")
def _in_sqlite(joined: Any, compiler: Any, **options: Any) -> str:
    return f"group_concat{compiler.process(joined.clause_expr, **options)}"


@compiles(_Joined, "postgresql")
def _in_postgresql(joined: Any, compiler: Any, **options: Any) -> str:
    return f"string_agg{compiler.process(joined.clause_expr, **options)}"


# Each role as `name=scope scope`, with `"` between them: no name holds a "=", and no scope a space
# or a `"`. Null where there are none: for users without roles, these tables are not looked at.
_granted = (
    select(
        _Joined(
            user_roles.c.role.concat(literal_column("'='")).concat(
                type_coerce(roles.c.scopes, Text)
            ),
            literal_column("""'"'"""),
        )
    )
    .join_from(user_roles, roles)
    .where(user_roles.c.user_id == users.c.id)
    .correlate(users)
)
roles_of_user = case((users.c.has_roles, _granted.scalar_subquery())).label("roles")
