"""The directory in a database."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    bindparam,
    or_,
    select,
    text,
    tuple_,
)

from falcon_auth.store import Authority
from falcon_auth.store.directory import (
    EXAMINED,
    Changed,
    EffectsOf,
    Page,
    Position,
    Search,
    UserChange,
    no_effects,
    position_of,
)
from falcon_auth.stores.sql.administration import change_user
from falcon_auth.stores.sql.authority import lock_subject
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.effects import write_effects
from falcon_auth.stores.sql.role_tables import user_roles
from falcon_auth.stores.sql.rows import NO_ID, USER_COLUMNS, to_user, valid_role
from falcon_auth.stores.sql.tables import SEARCH_INDEX, users

OLDEST = Position(float("-inf"), NO_ID)

# The index is of trigrams. Only of letters and digits, and for this only of those that every
# locale of a database takes for such.
_TRIGRAM = re.compile("[a-z0-9]{3}")


class SqlDirectory:
    """A `DirectoryStore` on SQLite and PostgreSQL.

    It goes through up to *examined* users in their order, which finds the frequent ones at once.
    Where that does not fill the page, PostgreSQL looks the others up by an index, if there is one.
    Nothing needs a transaction: no user changes places.
    """

    def __init__(self, database: Database, *, examined: int = EXAMINED) -> None:
        self._database = database
        self._examined = examined

    def find_page(self, search: Search, *, after: Position, limit: int) -> Page:
        """Go through the next users; look up what an index finds."""
        values = {"page": limit + 1} | _values(search)
        with self._database.single() as connection:
            end = self._end_of_slice(connection, after)
            slice_ = {"until_at": end.created_at, "until_id": end.user_id} if end else _TO_THE_END
            found = connection.execute(_slice(search), values | _after(after) | slice_).all()
            if end is not None and len(found) <= limit and self._finds(connection, search):
                end = None
                found = connection.execute(_look_up(search), values | _after(after)).all()
        page = [to_user(row) for row in found[:limit]]
        return Page(page, position_of(page[-1]) if len(found) > limit else end)

    def change(
        self,
        user_id: str,
        change: UserChange,
        *,
        by: Authority | None = None,
        now: float,
        effects: EffectsOf = no_effects,
    ) -> Changed | None:
        """Lock the user, then look and write."""
        with self._database.transaction() as connection:
            user = lock_subject(connection, user_id, by)
            if user is None:
                return None
            changed = change_user(connection, user, change, by=by, now=now)
            write_effects(connection, effects(changed))
            return changed

    def _end_of_slice(self, connection: Connection, after: Position) -> Position | None:
        """Return the place of the last user to look at; None where all others are fewer."""
        values = _after(after) | {"others": self._examined - 1}
        row = connection.execute(_END_OF_SLICE, values).first()
        return None if row is None else Position(*row)

    def _finds(self, connection: Connection, search: Search) -> bool:
        """Return whether an index finds the users who are wanted, however rare they are."""
        if self._database.kind != "postgresql":
            return False
        if search.role is not None:
            return True
        has_trigram = search.text is not None and _TRIGRAM.search(search.text)
        return bool(has_trigram and connection.scalar(_HAS_SEARCH_INDEX))


def _after(position: Position) -> dict[str, Any]:
    return {"after_at": position.created_at, "after_id": position.user_id}


def _values(search: Search) -> dict[str, Any]:
    """Return the values of the conditions of a search."""
    role = None if search.role is None else valid_role(search.role)
    values: dict[str, Any] = {"role": role, "active": search.active}
    if search.text is not None:
        escaped = re.sub(r"([\\%_])", r"\\\1", search.text)
        values["pattern"] = f"%{escaped}%"
    return {name: value for name, value in values.items() if value is not None}


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if search.text is not None:
        pattern: Any = bindparam("pattern")
        columns = (users.c.email_key, users.c.username_key)
        conditions.append(or_(*(column.like(pattern, escape="\\") for column in columns)))
    if search.role is not None:
        holders = select(user_roles.c.user_id).where(user_roles.c.role == bindparam("role"))
        conditions.append(users.c.id.in_(holders))
    if search.active is not None:
        conditions.append(users.c.is_active == bindparam("active"))
    return conditions


# --- Statements


def _slice(search: Search) -> Executable:
    """Return what goes through users in their order."""
    return (
        select(*USER_COLUMNS)
        .where(_place < _given("after"), _place >= _given("until"), *_conditions(search))
        .order_by(*_newest_first)
        .limit(bindparam("page"))
    )


def _look_up(search: Search) -> Executable:
    """Return what looks users up by an index, and puts them in order then.

    PostgreSQL would else go through all users in their order where it takes those who are wanted
    for frequent, which they may be among the oldest only.
    """
    wanted = (
        select(users.c.created_at, users.c.id)
        .where(*_conditions(search))
        .cte("wanted")
        .prefix_with("MATERIALIZED")
    )
    page = (
        select(wanted.c.id)
        .where(tuple_(wanted.c.created_at, wanted.c.id) < _given("after"))
        .order_by(wanted.c.created_at.desc(), wanted.c.id.desc())
        .limit(bindparam("page"))
    )
    return select(*USER_COLUMNS).where(users.c.id.in_(page)).order_by(*_newest_first)


def _given(name: str) -> Any:
    return tuple_(
        bindparam(f"{name}_at", type_=users.c.created_at.type),
        bindparam(f"{name}_id", type_=users.c.id.type),
    )


_TO_THE_END = {"until_at": OLDEST.created_at, "until_id": OLDEST.user_id}
_place: Any = tuple_(users.c.created_at, users.c.id)
_newest_first = (users.c.created_at.desc(), users.c.id.desc())
_END_OF_SLICE = (
    select(users.c.created_at, users.c.id)
    .where(_place < _given("after"))
    .order_by(*_newest_first)
    .offset(bindparam("others"))
    .limit(1)
)
# One that was made CONCURRENTLY and failed is not valid.
_HAS_SEARCH_INDEX = text(
    f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{SEARCH_INDEX}')"  # noqa: S608 - a name from the tables
)
