"""The second factors, the recovery codes, and the spent challenges."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from falcon_auth.models import (
    NO_EFFECTS,
    Effects,
    Factor,
    FactorKind,
    FactorUse,
    RecoveryCodes,
    Session,
    SpentChallenge,
    User,
)
from falcon_auth.store.changes import Change


class Holder(NamedTuple):
    """A user with all factors, oldest first, and the hashes of the remaining recovery codes."""

    user: User
    factors: tuple[Factor, ...]
    code_hashes: frozenset[str]

    def of_kind(self, kind: FactorKind) -> list[Factor]:
        """Return the active factors of a kind; there is at most one set of recovery codes."""
        return [
            each for each in self.factors if each.kind == kind and each.confirmed_at is not None
        ]

    @property
    def counted(self) -> list[Factor]:
        """The active apps and passkeys, oldest first."""
        shown = [*self.of_kind("totp"), *self.of_kind("passkey")]
        return sorted(shown, key=lambda each: each.created_at)


class Activation(NamedTuple):
    """The activation of a factor, requested in a session of the user."""

    user: User  # As it was read.
    factor: Factor  # As it will be stored, with `confirmed_at`.
    session: Session  # As it will be stored if this is the first factor, with the factor in `amr`.
    now: float
    codes: RecoveryCodes  # Stored unless the user has some already.
    challenge: SpentChallenge | None = None  # The challenge that a passkey signed.


class FactorStore(Protocol):
    """The second factors, the recovery codes, and the spent challenges.

    `User.factor_count` and `User.factors_version` change with them, in the same step. A change
    compares the version with the one that the caller read, so that no decision is based on an
    outdated state. Factors are active once they are confirmed; only active ones are counted.
    """

    def find_holder(self, user_id: str) -> Holder | None:
        """Return a user with all factors, including pending ones."""

    def find_credential(self, credential_id: str) -> tuple[Factor, User] | None:
        """Return the passkey with that id, and its user."""

    def add_pending(self, factor: Factor, *, limit: int) -> bool:
        """Store an authenticator app that a code has yet to confirm, replacing other pending ones.

        So a user has at most one. Returns False, and changes nothing, if the user is gone or has
        *limit* active factors.
        """

    def activate(
        self, activation: Activation, *, limit: int, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Activate a factor: a pending app, or a new passkey.

        If it is the user's first factor, every other session ends, and the `amr` of the session
        that confirmed it now includes the factor. Returns None, and changes nothing, if the factors
        changed since the user was read, the user is disabled or has *limit* factors, the session is
        over, the pending app is gone, the passkey is known already, or the challenge is spent.
        """

    def remove(
        self,
        user_id: str,
        factor_id: str,
        *,
        keep_last: bool,
        now: float,
        effects: Effects = NO_EFFECTS,
    ) -> Factor | None:
        """Delete a factor; return it, or None if the user has no such factor.

        The recovery codes are deleted with the last active factor; with *keep_last*, raises
        `FactorRequiredError` instead. Raises `LastWayInError` for the only passkey of a user with
        neither a password nor an identity. The effects are written if the factor was active.
        """

    def replace_codes(
        self, user: User, codes: RecoveryCodes, *, now: float, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Replace the user's set of recovery codes.

        Returns False, and changes nothing, if the factors changed since *user* was read, or if
        there are none.
        """

    def confirm(
        self,
        session_id: str,
        *,
        auth_time: float,
        amr: tuple[str, ...],
        use: FactorUse | None,
        effects: Effects = NO_EFFECTS,
    ) -> Session | None:
        """Record a new authentication in a live session; return the session, or None if it is over.

        *use* is spent in the same step, as in `SessionStore.open`: raises `FactorInvalidError`.
        """

    def list_secrets(self, *, after: str, limit: int) -> list[Factor]:
        """Return up to *limit* factors that have a secret, ordered by id, after the id *after*."""

    def replace_secret(self, factor_id: str, *, old: str, new: str) -> bool:
        """Replace a factor's secret with *new* if it is still *old*; return whether it was."""

    def sweep(self, *, expired_before: float, limit: int) -> bool:
        """Delete up to about *limit* spent challenges that expired before *expired_before*.

        Returns whether there may be more.
        """
