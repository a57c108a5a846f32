"""The roles in a database."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam, delete, select, update

from falcon_auth.access.rules import is_administrator
from falcon_auth.access.scopes import lacking
from falcon_auth.errors import InsufficientScopeError, NotFoundError
from falcon_auth.models import NO_EFFECTS, Effects, Role, User
from falcon_auth.store import Authority, RoleChange
from falcon_auth.store.roles import UNKNOWN_ROLE, effects_of
from falcon_auth.stores.sql.authority import (
    authorise,
    find_user,
    has_administrator,
    lock_roles,
    lock_subject,
    require_administrator,
)
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.effects import write_effects
from falcon_auth.stores.sql.role_tables import roles, user_roles
from falcon_auth.stores.sql.rows import valid_role
from falcon_auth.stores.sql.tables import users

Definitions = Mapping[str, Role]


class SqlRoles:
    """A `RoleStore` on SQLite and PostgreSQL; see `authority` for its locks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> list[Role]:
        """Read them all."""
        return [Role(row.name, row.scopes) for row in self._database.all(_ALL, {})]

    def define(
        self, role: Role, *, by: Authority | None = None, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Lock the roles, then look and write."""
        with self._database.transaction() as connection:
            defined = _lock_definitions(connection)
            former = defined.get(role.name)
            _authorise(connection, by, defined, role.name, role.scopes)
            if former == role:
                return False
            had_administrator = has_administrator(connection)
            values = {"of_name": role.name, "new_scopes": role.scopes}
            connection.execute(_INSERT if former is None else _UPDATE, values)
            if had_administrator:
                require_administrator(connection)
            write_effects(connection, effects)
            return True

    def delete(
        self, name: str, *, by: Authority | None = None, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Lock the roles, then look and delete."""
        with self._database.transaction() as connection:
            defined = _lock_definitions(connection)
            _authorise(connection, by, defined, name)
            if name not in defined:
                return False
            had_administrator = has_administrator(connection)
            connection.execute(_DELETE, {"of_name": name})  # With it go its grants.
            if had_administrator:
                require_administrator(connection)
            write_effects(connection, effects)
            return True

    def change(
        self,
        user_id: str,
        *,
        grant: Collection[str] = (),
        revoke: Collection[str] = (),
        by: Authority | None = None,
        now: float,
        effects: Mapping[str, Effects] | None = None,
    ) -> RoleChange | None:
        """Lock the user, then the roles; then look and write."""
        with self._database.transaction() as connection:
            user = lock_subject(connection, user_id, by)
            if user is None:
                return None
            names = {*user.roles} - {*revoke} | {*grant}
            granted, revoked = assign_roles(connection, user, names, by=by, now=now)
            if not granted and not revoked:
                return RoleChange(user, (), ())
            if is_administrator(user):
                require_administrator(connection)
            changed = find_user(connection, user.id)
            write_effects(connection, effects_of(effects, [*granted, *revoked]))
            return RoleChange(changed or user, granted, revoked)


def check_grants(connection: Connection, user: User, by: Authority | None) -> None:
    """Refuse an actor who lacks a scope of the roles of a user that is to be added.

    Raises as `check_authority` does, and `NotFoundError` where a role is not defined.
    """
    if by is not None or user.roles:
        defined = _lock_definitions(connection)
        authorise(connection, by, *_scopes_of(defined, user.roles))


def assign_roles(
    connection: Connection, user: User, names: Collection[str], *, by: Authority | None, now: float
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Replace the roles of a user that is locked; return which were granted and which revoked.

    Raises as `check_authority` does, and `NotFoundError` where a role is not defined.
    """
    defined = _lock_definitions(connection)
    granted = tuple(sorted({*names} - {*user.roles}))
    revoked = tuple(sorted({*user.roles} - {*names}))
    authorise(connection, by, *_scopes_of(defined, granted))
    if granted or revoked:
        add_grants(connection, {user.id: granted})
        connection.execute(_REVOKE, {"of_user": user.id, "names": revoked})
        connection.execute(_TOUCH, {"of_user": user.id, "any_left": bool(names), "now": now})
    return granted, revoked


def _scopes_of(defined: Definitions, names: Collection[str]) -> list[Collection[str]]:
    """Return the scopes of each of these roles. Raises `NotFoundError` for an unknown one."""
    if not {*names} <= defined.keys():
        raise NotFoundError(UNKNOWN_ROLE)
    return [defined[name].scopes for name in names]


def add_grants(connection: Connection, roles_by_user: Mapping[str, Collection[str]]) -> None:
    """Grant roles, which are defined, to users who do not have them, by their ids."""
    rows = [
        {"user_id": user, "role": role} for user, names in roles_by_user.items() for role in names
    ]
    if rows:
        connection.execute(user_roles.insert(), rows)


def _lock_definitions(connection: Connection) -> Definitions:
    lock_roles(connection)
    return {row.name: Role(row.name, row.scopes) for row in connection.execute(_ALL)}


def _authorise(
    connection: Connection,
    by: Authority | None,
    defined: Definitions,
    name: str,
    scopes: Collection[str] = (),
) -> None:
    """Refuse an actor who lacks a scope of the role, of what it is to be, or of who has it."""
    former = defined[name].scopes if name in defined else ()
    authorise(connection, by, former, scopes)
    actor = find_user(connection, by.actor_id) if by is not None else None
    if actor is None:
        return
    barred = {each.name: lacking(actor.scopes, each.scopes) for each in defined.values()}
    names = [each for each, lacked in barred.items() if lacked]
    if names:
        held = connection.scalar(_HELD_BESIDE, {"of_name": valid_role(name), "names": names})
        if held is not None:
            raise InsufficientScopeError(barred[held])


# --- Statements, built once

_this_role = roles.c.name == bindparam("of_name")
_beside = user_roles.alias()
_ALL = select(roles.c.name, roles.c.scopes).order_by(roles.c.name)
_INSERT = roles.insert().values(name=bindparam("of_name"), scopes=bindparam("new_scopes"))
_UPDATE = update(roles).where(_this_role).values(scopes=bindparam("new_scopes"))
_DELETE = delete(roles).where(_this_role)
_REVOKE = delete(user_roles).where(
    user_roles.c.user_id == bindparam("of_user"),
    user_roles.c.role.in_(bindparam("names", expanding=True)),
)
_TOUCH = (
    update(users)
    .where(users.c.id == bindparam("of_user"))
    .values(has_roles=bindparam("any_left"), updated_at=bindparam("now"))
)
_HELD_BESIDE = (
    select(_beside.c.role)
    .join_from(user_roles, _beside, _beside.c.user_id == user_roles.c.user_id)
    .where(
        user_roles.c.role == bindparam("of_name"),
        _beside.c.role.in_(bindparam("names", expanding=True)),
    )
    .limit(1)
)
