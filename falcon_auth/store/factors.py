"""The second factors, recovery codes, and answered challenges."""

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
    """A user with all factors, in the order of their creation, and the recovery codes left."""

    user: User
    factors: tuple[Factor, ...]
    code_hashes: frozenset[str]

    def of_kind(self, kind: FactorKind) -> list[Factor]:
        """Return the factors of a kind that count; there is one set of recovery codes at most."""
        return [
            each for each in self.factors if each.kind == kind and each.confirmed_at is not None
        ]

    @property
    def counted(self) -> list[Factor]:
        """The apps and passkeys that count, in the order of their creation."""
        shown = [*self.of_kind("totp"), *self.of_kind("passkey")]
        return sorted(shown, key=lambda each: each.created_at)


class Activation(NamedTuple):
    """What makes a factor count, confirmed in a session of the user."""

    user: User  # As read.
    factor: Factor  # As it is to be; `confirmed_at` is set.
    session: Session  # As it is to be where this is the first factor: its `amr` has it.
    now: float
    codes: RecoveryCodes  # Kept unless the user has some.
    challenge: SpentChallenge | None = None  # What a passkey answered.


class FactorStore(Protocol):
    """The second factors, the recovery codes, and the challenges that were answered.

    `User.factor_count` and `User.factors_version` change with them, in the same step. A change
    compares the version with that of the user as read, so that each is decided on what is true.
    """

    def find_holder(self, user_id: str) -> Holder | None:
        """Return a user with the factors, those that do not count yet too."""

    def find_credential(self, credential_id: str) -> tuple[Factor, User] | None:
        """Return the passkey with that id, and its user."""

    def add_pending(self, factor: Factor, *, limit: int) -> bool:
        """Remember an authenticator app that is still to show a code, in the place of such others.

        So a user has one of them at most. Returns False, and changes nothing, if the user is gone
        or has *limit* factors that count.
        """

    def activate(
        self, activation: Activation, *, limit: int, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Make a factor count: a pending app, or a passkey that nobody has yet.

        Where it is the user's first one, every other session ends, and the one that confirmed it
        has the factor in its `amr`. Returns None, and changes nothing, if the factors changed since
        the user was read, the user is disabled or has *limit* factors, the session is over, the
        pending app is gone, the passkey is known or the challenge spent.
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
        """Forget a factor; return it, or None where it is not one of the user's.

        With the last one that counts go the recovery codes. Raises `FactorRequiredError` where
        that one is to be kept. The effects are written where the factor counted.
        """

    def remove_all(self, user_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> int:
        """Forget all factors and recovery codes of a user; return how many factors counted.

        The effects are written where one did.
        """

    def replace_codes(
        self, user: User, codes: RecoveryCodes, *, now: float, effects: Effects = NO_EFFECTS
    ) -> bool:
        """Put a set of recovery codes in the place of the former one.

        Returns False, and changes nothing, if the factors changed since *user* was read, or there
        are none.
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
        """Remember a further proof in a live session; return the session, None where it is over.

        *use* is spent in the same step, as `SessionStore.open` does: raises `FactorInvalidError`.
        """

    def list_secrets(self, *, after: str, limit: int) -> list[Factor]:
        """Return up to *limit* factors with a secret, by id, those after the id *after*."""

    def replace_secret(self, factor_id: str, *, old: str, new: str) -> bool:
        """Put *new* in the place of a factor's secret; return whether it was still *old*."""

    def sweep(self, *, expired_before: float, limit: int) -> bool:
        """Forget spent challenges that expired before then, about *limit* of them.

        Returns whether there may be more.
        """
