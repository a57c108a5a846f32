"""Spends uses of factors: each statement decides by itself, so that only one caller succeeds."""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, delete, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from falcon_auth.errors import FactorInvalidError
from falcon_auth.models import FactorUse, SpentChallenge
from falcon_auth.stores.sql.factor_tables import factors, recovery_codes, spent_challenges
from falcon_auth.stores.sql.rows import valid_id


def spend(connection: Connection, use: FactorUse) -> None:
    """Spend a use of a factor in the caller's transaction, which an error rolls back.

    The same rules are in `stores/memory/factor_table.py`. Raises `FactorInvalidError`.
    """
    of_factor = {"of_id": valid_id(use.factor_id), "now": use.at}
    if use.step is not None:
        spent = connection.execute(_USE_STEP, of_factor | {"step": use.step}).rowcount
    elif use.sign_count is not None:
        counted = {"count": use.sign_count, "backed": use.backed_up}
        spent = connection.execute(_USE_PASSKEY, of_factor | counted).rowcount
    else:
        code = {"of_id": of_factor["of_id"], "hash": use.code_hash}
        spent = connection.execute(_USE_CODE, code).rowcount
        connection.execute(_MARK_USED, of_factor)
    if not spent or not all(spend_challenge(connection, each) for each in use.challenges):
        raise FactorInvalidError


def spend_challenge(connection: Connection, challenge: SpentChallenge) -> bool:
    """Store a challenge as spent; return False if it was spent already."""
    insert = _SPEND[connection.dialect.name]
    values = {"id": challenge.id, "expires_at": challenge.expires_at}
    return connection.execute(insert, values).first() is not None


_of_factor = factors.c.id == bindparam("of_id")
_USE_STEP = (
    update(factors)
    .where(_of_factor, factors.c.confirmed_at.is_not(None), factors.c.last_step < bindparam("step"))
    .values(last_step=bindparam("step"), last_used_at=bindparam("now"))
)
_USE_PASSKEY = (
    update(factors)
    .where(
        _of_factor,
        or_(
            factors.c.sign_count < bindparam("count"),
            # A count that is always zero means that the passkey has no counter (WebAuthn, 6.1.1).
            and_(factors.c.sign_count == 0, bindparam("count") == 0),
        ),
    )
    .values(
        sign_count=bindparam("count"),
        backed_up=bindparam("backed"),
        last_used_at=bindparam("now"),
    )
)
_USE_CODE = delete(recovery_codes).where(
    recovery_codes.c.factor_id == bindparam("of_id"),
    recovery_codes.c.code_hash == bindparam("hash"),
)
_MARK_USED = update(factors).where(_of_factor).values(last_used_at=bindparam("now"))
_SPEND = {
    "sqlite": sqlite.insert(spent_challenges)
    .on_conflict_do_nothing()
    .returning(spent_challenges.c.id),
    "postgresql": postgresql.insert(spent_challenges)
    .on_conflict_do_nothing()
    .returning(spent_challenges.c.id),
}
