"""Whether a user who gives up a passkey or an identity could still log in."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select, union_all

from falcon_auth.errors import LastWayInError
from falcon_auth.models import User
from falcon_auth.stores.sql.factor_tables import factors
from falcon_auth.stores.sql.identity_tables import identities


def check_way_in(connection: Connection, user: User, *, without: str) -> None:
    """Raise `LastWayInError` if what has the id *without* is the user's only way to log in.

    The caller has locked the user's row, so that nobody takes away the others until the commit. The
    same rule is in `stores/memory/state.py`.
    """
    if user.has_password:
        return
    names = {"of_user": user.id, "of_id": without}
    if connection.execute(_OTHERS, names).first() is None:
        raise LastWayInError


_OTHERS = union_all(
    select(factors.c.id).where(
        factors.c.user_id == bindparam("of_user"),
        factors.c.kind == "passkey",
        factors.c.id != bindparam("of_id"),
    ),
    select(identities.c.id).where(
        identities.c.user_id == bindparam("of_user"), identities.c.id != bindparam("of_id")
    ),
).limit(1)
