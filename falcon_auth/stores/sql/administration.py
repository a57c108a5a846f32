"""How an administrator changes a user, statement by statement; `SqlDirectory` runs them."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, update

from falcon_auth.access.rules import is_administrator
from falcon_auth.models import User
from falcon_auth.store import Authority
from falcon_auth.store.directory import Changed, UserChange
from falcon_auth.stores.sql.authority import find_user, require_administrator
from falcon_auth.stores.sql.factor_tables import factors
from falcon_auth.stores.sql.roles import assign_roles
from falcon_auth.stores.sql.sessions import end_all_of
from falcon_auth.stores.sql.tables import users
from falcon_auth.stores.sql.user_changes import rename


def change_user(
    connection: Connection, user: User, change: UserChange, *, by: Authority | None, now: float
) -> Changed:
    """Change a user that is locked; the caller's transaction undoes it where this raises.

    Raises `DuplicateUsernameError`, `LastAdministratorError`, `InsufficientScopeError`, and
    `NotFoundError` where a role is not defined.
    """
    after = change.apply_to(user, now=now)
    if after.username != user.username:
        rename(connection, user.id, after.username, now)
    if after != user:
        connection.execute(
            _CHANGE, {"of_id": user.id} | {each: getattr(after, each) for each in _SET}
        )
    if change.remove_factors:
        connection.execute(_DELETE_FACTORS, {"of_id": user.id})
    if change.roles is not None:
        assign_roles(connection, user, change.roles, by=by, now=now)
        after = find_user(connection, user.id) or after
    if is_administrator(user):
        require_administrator(connection)
    ended = end_all_of(connection, user.id, now) if change.ends_sessions else 0
    return Changed(user, after, ended)


# --- Statements, built once

# The name is the index's to decide, in a statement of its own.
_SET = (
    "is_active",
    "email_verified",
    "email_version",
    "factor_count",
    "factors_version",
    "updated_at",
)
_of_this_user = bindparam("of_id", type_=users.c.id.type)
_CHANGE = (
    update(users)
    .where(users.c.id == _of_this_user)
    .values({users.c[name]: bindparam(name) for name in _SET})
)
_DELETE_FACTORS = delete(factors).where(factors.c.user_id == _of_this_user)
