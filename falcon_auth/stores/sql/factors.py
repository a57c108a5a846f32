"""The second factors in a database."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict

from sqlalchemy import and_, bindparam, delete, select, update

from falcon_auth.errors import FactorRequiredError
from falcon_auth.models import (
    NO_EFFECTS,
    Effects,
    Factor,
    FactorUse,
    RecoveryCodes,
    Session,
    User,
)
from falcon_auth.store import Activation, Change, Holder
from falcon_auth.stores.sql import factor_changes
from falcon_auth.stores.sql.database import Database
from falcon_auth.stores.sql.effects import write_effects
from falcon_auth.stores.sql.factor_tables import factors, recovery_codes, spent_challenges
from falcon_auth.stores.sql.factor_uses import spend, spend_challenge
from falcon_auth.stores.sql.rows import (
    FACTOR_COLUMNS,
    NO_ID,
    USER_COLUMNS,
    to_factor,
    to_user,
    valid_id,
)
from falcon_auth.stores.sql.sessions import end_all_of, lock_open_session
from falcon_auth.stores.sql.sweeping import may_sweep
from falcon_auth.stores.sql.tables import users
from falcon_auth.stores.sql.ways_in import check_way_in


class _UndoneError(Exception):
    """A condition does not hold, so the transaction is rolled back."""


class SqlFactors:
    """A `FactorStore` on SQLite and PostgreSQL.

    Every change of a user's factors locks the user's row until it commits. Rows are locked in one
    order: the user's, then factors, then sessions.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_holder(self, user_id: str) -> Holder | None:
        """Read everything in one query: one row for each factor, and for each recovery code."""
        rows = self._database.all(_HOLDER, {"of_id": valid_id(user_id)})
        if not rows:
            return None
        owned = [row[len(USER_COLUMNS) :] for row in rows if row[len(USER_COLUMNS)] is not None]
        found = {row[0]: to_factor(row) for row in owned}
        hashes = frozenset(row[-1] for row in owned if row[-1] is not None)
        return Holder(to_user(rows[0]), tuple(found.values()), hashes)

    def find_credential(self, credential_id: str) -> tuple[Factor, User] | None:
        """Look up the id in one query."""
        row = self._database.one(_BY_CREDENTIAL, {"credential": credential_id})
        return None if row is None else (to_factor(row), to_user(row[len(FACTOR_COLUMNS) :]))

    def add_pending(self, factor: Factor, *, limit: int) -> bool:
        """Lock the user, delete other pending apps, and insert this one."""
        with self._database.transaction() as connection:
            user = factor_changes.lock_owner(connection, factor.user_id)
            if user is None or user.factor_count >= limit:
                return False
            connection.execute(_DELETE_PENDING, {"of_user": factor.user_id})
            connection.execute(factors.insert(), asdict(factor))
            return True

    def activate(
        self, activation: Activation, *, limit: int, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Lock the user, then the session, so that the conditions hold until the commit."""
        with suppress(_UndoneError), self._database.transaction() as connection:
            user = factor_changes.lock_unchanged(connection, activation.user)
            if user is None or not user.is_active or user.factor_count >= limit:
                raise _UndoneError
            kept = activation.session
            if not lock_open_session(connection, kept.id, user.id):
                raise _UndoneError
            challenge = activation.challenge
            if challenge is not None and not spend_challenge(connection, challenge):
                raise _UndoneError
            if not factor_changes.activate(connection, activation.factor):
                raise _UndoneError
            if not factor_changes.has_codes(connection, user.id):
                factor_changes.add_codes(connection, activation.codes)
            ended = 0
            if user.factor_count == 0:
                factor_changes.confirm_session(connection, kept.id, kept.auth_time, kept.amr)
                ended = end_all_of(connection, user.id, activation.now, keep=kept.id)
            factor_changes.set_count(connection, user, user.factor_count + 1, now=activation.now)
            write_effects(connection, effects)
            return Change(ended)
        return None

    def remove(
        self,
        user_id: str,
        factor_id: str,
        *,
        keep_last: bool,
        now: float,
        effects: Effects = NO_EFFECTS,
    ) -> Factor | None:
        """Lock the user, then check and delete."""
        with self._database.transaction() as connection:
            user = factor_changes.lock_owner(connection, user_id)
            names = {"of_id": valid_id(factor_id), "of_user": valid_id(user_id)}
            row = connection.execute(_REMOVABLE, names).first()
            if user is None or row is None:
                return None
            factor = to_factor(row)
            is_active = factor.confirmed_at is not None
            if is_active and user.factor_count == 1:
                if keep_last:
                    raise FactorRequiredError
                factor_changes.delete_codes(connection, user.id)
            if factor.kind == "passkey":
                check_way_in(connection, user, without=factor.id)
            connection.execute(_DELETE, {"of_id": factor.id})
            if is_active:
                factor_changes.set_count(connection, user, user.factor_count - 1, now=now)
                write_effects(connection, effects)
            return factor

    def replace_codes(
        self, user: User, codes: RecoveryCodes, *, now: float, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Lock the user, then delete and insert."""
        with self._database.transaction() as connection:
            stored = factor_changes.lock_unchanged(connection, user)
            if stored is None or not stored.factor_count:
                return False
            factor_changes.delete_codes(connection, user.id)
            factor_changes.add_codes(connection, codes)
            factor_changes.set_count(connection, stored, stored.factor_count, now=now)
            write_effects(connection, effects)
            return True

    def confirm(
        self,
        session_id: str,
        *,
        auth_time: float,
        amr: tuple[str, ...],
        use: FactorUse | None,
        effects: Effects = NO_EFFECTS,
    ) -> Session | None:
        """Spend the use, then update the session if it is open, in one transaction."""
        with suppress(_UndoneError), self._database.transaction() as connection:
            if use is not None:
                spend(connection, use)
            session = factor_changes.confirm_session(connection, session_id, auth_time, amr)
            if session is None:
                raise _UndoneError
            write_effects(connection, effects)
            return session
        return None

    def list_secrets(self, *, after: str, limit: int) -> list[Factor]:
        """Read a page by the primary key."""
        rows = self._database.all(_SECRETS, {"after": after or NO_ID, "page": limit})
        return [to_factor(row) for row in rows]

    def replace_secret(self, factor_id: str, *, old: str, new: str) -> bool:
        """Compare and set in one statement."""
        values = {"of_id": valid_id(factor_id), "old": old, "new": new}
        return self._database.change(_REPLACE_SECRET, values) > 0

    def sweep(self, *, expired_before: float, limit: int) -> bool:
        """Delete a slice; only one process sweeps at a time."""
        with self._database.transaction() as connection:
            if not may_sweep(connection):  # pragma: no cover - another process sweeps right now
                return False
            values = {"before": expired_before, "slice": limit}
            return connection.execute(_SWEEP, values).rowcount == limit


# --- Statements, built once


_this_user = users.c.id == bindparam("of_id")
_this_factor = factors.c.id == bindparam("of_id")
_of_user = factors.c.user_id == bindparam("of_user")
_is_set_of_codes = factors.c.kind == "recovery_code"
_is_pending = factors.c.confirmed_at.is_(None)

_HOLDER = (
    select(*USER_COLUMNS, *FACTOR_COLUMNS, recovery_codes.c.code_hash)
    .join_from(users, factors, users.c.id == factors.c.user_id, isouter=True)
    .join(recovery_codes, recovery_codes.c.factor_id == factors.c.id, isouter=True)
    .where(_this_user)
    .order_by(factors.c.created_at, factors.c.id)
)
_BY_CREDENTIAL = (
    select(*FACTOR_COLUMNS, *USER_COLUMNS)
    .join_from(factors, users)
    .where(factors.c.credential_id == bindparam("credential"))
)
_DELETE_PENDING = delete(factors).where(_of_user, _is_pending)
_REMOVABLE = select(*FACTOR_COLUMNS).where(_this_factor, _of_user, ~_is_set_of_codes)
_DELETE = delete(factors).where(_this_factor)
_SECRETS = (
    select(*FACTOR_COLUMNS)
    .where(factors.c.secret.is_not(None), factors.c.id > bindparam("after"))
    .order_by(factors.c.id)
    .limit(bindparam("page"))
)
_REPLACE_SECRET = (
    update(factors)
    .where(and_(_this_factor, factors.c.secret == bindparam("old")))
    .values(secret=bindparam("new"))
)
_SWEEP = delete(spent_challenges).where(
    spent_challenges.c.id.in_(
        select(spent_challenges.c.id)
        .where(spent_challenges.c.expires_at < bindparam("before"))
        .limit(bindparam("slice"))
        .with_for_update(skip_locked=True)
    )
)
