"""A log-in by an identity: noted, and its one-time code spent, in one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, update

from falcon_auth.errors import RevokedTokenError
from falcon_auth.models import IdentityUse
from falcon_auth.stores.sql.factor_uses import spend_challenge
from falcon_auth.stores.sql.identity_tables import identities
from falcon_auth.stores.sql.rows import valid_id


def use_identity(connection: Connection, use: IdentityUse) -> None:
    """Note a log-in and spend its code, in the caller's transaction, which an error undoes.

    The same rules are in `stores/memory/identity_table.py`. Raises `RevokedTokenError`.
    """
    values = {"of_id": valid_id(use.identity_id), "now": use.at}
    noted = connection.execute(_NOTE_USE, values).rowcount
    if not noted or not spend_challenge(connection, use.code):
        raise RevokedTokenError


_NOTE_USE = (
    update(identities)
    .where(identities.c.id == bindparam("of_id"))
    .values(last_used_at=bindparam("now"))
)
