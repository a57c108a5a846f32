"""How a user changes, statement by statement; `SqlUsers` runs them in its transactions.

Each function locks the user's row before any row that belongs to the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Connection,
    Executable,
    bindparam,
    case,
    delete,
    exc,
    exists,
    select,
    true,
    update,
)

from falcon_auth.errors import AuthError, DuplicateEmailError, DuplicateUsernameError
from falcon_auth.models import User
from falcon_auth.store import Addition
from falcon_auth.stores.sql.factor_tables import factors
from falcon_auth.stores.sql.identity_tables import identities
from falcon_auth.stores.sql.rows import USER_COLUMNS, to_user, user_values, valid_id
from falcon_auth.stores.sql.tables import outbox, sessions, users


def add_quietly(connection: Connection, insert: Executable, user: User) -> Addition:
    """Insert *user* with *insert*, a statement that does nothing on a conflict.

    It runs one query and one insert in every case, and more only if somebody registers the same
    address or name in between.
    """
    email_taken, name_taken = _find_taken(connection, user)
    result: Addition = "unnamed" if name_taken else "added"
    if _insert(connection, insert, replace(user, username=None) if name_taken else user):
        return result
    if email_taken or _find_taken(connection, user)[0]:
        return "taken"
    _insert(connection, insert, replace(user, username=None))
    return "unnamed"


def verify_email(connection: Connection, user: User, now: float) -> bool:
    """Mark the user's address as verified."""
    return _change(connection, _VERIFY, user, now=now)


def reset_password(connection: Connection, user: User, password_hash: str, now: float) -> bool:
    """Replace the hash. Comparing the version ensures that `email_verified` is up to date."""
    if not _change(connection, _RESET, user, now=now, new_hash=password_hash):
        return False
    if not user.email_verified:
        _forget_unproven_ways_in(connection, user)
    return True


def refuse_taken_email(connection: Connection, user: User, email_key: str) -> None:
    """Raise `DuplicateEmailError` if another user has the address.

    The index has the last word, but two users who swap their addresses would deadlock there.
    """
    others = {"of_id": user.id, "key": email_key}
    if connection.scalar(_EMAIL_OF_ANOTHER, others):
        raise DuplicateEmailError


def change_email(
    connection: Connection, user: User, email: str, email_key: str, now: float
) -> None:
    """Replace the address of a user that is locked. Raises `DuplicateEmailError`."""
    values = {"of_id": user.id, "new_email": email, "new_email_key": email_key, "now": now}
    with _unless_taken(DuplicateEmailError):
        connection.execute(_CHANGE_EMAIL, values)


def rename(connection: Connection, user_id: str, username: str | None, now: float) -> User | None:
    """Replace the name. Raises `DuplicateUsernameError`."""
    username_key = None if username is None else username.lower()
    others = {"of_id": valid_id(user_id), "name": username_key}
    if connection.scalar(_NAME_OF_ANOTHER, others):
        raise DuplicateUsernameError
    values = {
        "of_id": valid_id(user_id),
        "new_name": username,
        "new_name_key": username_key,
        "now": now,
    }
    with _unless_taken(DuplicateUsernameError):
        row = connection.execute(_RENAME, values).first()
    return None if row is None else to_user(row)


def lock_unchanged(connection: Connection, user: User) -> bool:
    """Protect *user* from deletion until the commit; False if it has changed since it was read."""
    return connection.execute(_LOCK_UNCHANGED, _as_read(user)).first() is not None


def lock_for_change(connection: Connection, user: User) -> bool:
    """Lock *user* until the commit; False if it has changed since it was read."""
    return connection.execute(_LOCK_FOR_CHANGE, _as_read(user)).first() is not None


def delete_user(connection: Connection, user_id: str) -> int:
    """Delete a locked user and everything that refers to it; return how many sessions were open.

    The grants of roles are deleted by their foreign key.
    """
    of_user = {"of_id": user_id}
    connection.execute(_DELETE_FACTORS, of_user)
    connection.execute(_DELETE_IDENTITIES, of_user)
    ended = connection.execute(_DELETE_SESSIONS, of_user).scalars().all()
    for statement in (_DELETE_MESSAGES, _DELETE):
        connection.execute(statement, of_user)
    return sum(ended_at is None for ended_at in ended)


def _forget_unproven_ways_in(connection: Connection, user: User) -> None:
    """Delete every means of logging in other than the password.

    Whoever registered the unverified address may have added them. A capability that adds another
    means deletes it here. `_RESET` has already updated the counters of factors
    in the user's row.
    """
    for statement in (_DELETE_FACTORS, _DELETE_IDENTITIES):
        connection.execute(statement, {"of_id": user.id})


def _find_taken(connection: Connection, user: User) -> tuple[bool, bool]:
    """Return whether the address is taken, and whether the name is."""
    values = {"key": user.email_key, "name": user.username_key}
    email_taken, name_taken = connection.execute(_TAKEN, values).one()
    return bool(email_taken), bool(name_taken)


def _insert(connection: Connection, insert: Executable, user: User) -> bool:
    return connection.execute(insert, user_values(user)).first() is not None


def _change(connection: Connection, statement: Executable, user: User, **values: object) -> bool:
    return connection.execute(statement, _as_read(user) | values).rowcount > 0


def _as_read(user: User) -> dict[str, Any]:
    return {
        "of_id": valid_id(user.id),
        "of_password_version": user.password_version,
        "of_email_version": user.email_version,
    }


@contextmanager
def _unless_taken(refusal: type[AuthError]) -> Iterator[None]:
    """Raise *refusal* if the block violates a unique index, without the driver's error."""
    taken = False
    try:
        yield
    except exc.IntegrityError:
        taken = True
    if (
        taken
    ):  # Outside the handler, so that the driver's error, which quotes the row, is not its context.
        raise refusal


# --- Statements, built once

_this_user = users.c.id == bindparam("of_id", type_=users.c.id.type)
_as_it_was_read = (
    _this_user,
    users.c.password_version == bindparam("of_password_version"),
    users.c.email_version == bindparam("of_email_version"),
    users.c.is_active,
)
_has_email = users.c.email_key == bindparam("key", type_=users.c.email_key.type)
_has_name = users.c.username_key == bindparam("name", type_=users.c.username_key.type)
_TAKEN = select(exists().where(_has_email), exists().where(_has_name))
_EMAIL_OF_ANOTHER = select(exists().where(_has_email, ~_this_user))
_NAME_OF_ANOTHER = select(exists().where(_has_name, ~_this_user))
_VERIFY = (
    update(users)
    .where(*_as_it_was_read)
    .values(
        email_verified=true(),
        email_version=users.c.email_version + 1,
        updated_at=bindparam("now"),
    )
)
_RESET = (
    update(users)
    .where(*_as_it_was_read)
    .values(
        password_hash=bindparam("new_hash"),
        password_version=users.c.password_version + 1,
        email_verified=true(),
        email_version=case(
            (users.c.email_verified, users.c.email_version), else_=users.c.email_version + 1
        ),
        factor_count=case((users.c.email_verified, users.c.factor_count), else_=0),
        factors_version=case(
            (users.c.email_verified, users.c.factors_version), else_=users.c.factors_version + 1
        ),
        updated_at=bindparam("now"),
    )
)
_CHANGE_EMAIL = (
    update(users)
    .where(_this_user)
    .values(
        email=bindparam("new_email"),
        email_key=bindparam("new_email_key"),
        email_verified=true(),
        email_version=users.c.email_version + 1,
        updated_at=bindparam("now"),
    )
)
_RENAME = (
    update(users)
    .where(_this_user)
    .values(
        username=bindparam("new_name"),
        username_key=bindparam("new_name_key"),
        updated_at=bindparam("now"),
    )
    .returning(*USER_COLUMNS)
)
_LOCK_UNCHANGED = (
    select(users.c.id).where(*_as_it_was_read).with_for_update(read=True, key_share=True)
)
_LOCK_FOR_CHANGE = select(users.c.id).where(*_as_it_was_read).with_for_update()
_of_this_user = bindparam("of_id", type_=users.c.id.type)
_DELETE_SESSIONS = (
    delete(sessions).where(sessions.c.user_id == _of_this_user).returning(sessions.c.ended_at)
)
# Recovery codes are deleted with their set (ON DELETE CASCADE).
_DELETE_FACTORS = delete(factors).where(factors.c.user_id == _of_this_user)
_DELETE_IDENTITIES = delete(identities).where(identities.c.user_id == _of_this_user)
# Webhooks hold no more of the user than the audit trail does, and tell of the deletion, too.
_DELETE_MESSAGES = delete(outbox).where(
    outbox.c.user_id == _of_this_user, outbox.c.channel != "webhook"
)
_DELETE = delete(users).where(_this_user)
