"""The users' accounts at providers, and one-time codes."""

from __future__ import annotations

from typing import Protocol

from falcon_auth.models import (
    NO_EFFECTS,
    Effects,
    Identity,
    IdentityUse,
    Session,
    SpentChallenge,
    User,
)


class IdentityStore(Protocol):
    """The identities: each is of one user, and a user may have several."""

    def find(self, issuer: str, subject: str) -> tuple[Identity, User] | None:
        """Return the identity that a provider knows by these, and its user."""

    def find_by_id(self, identity_id: str) -> tuple[Identity, User] | None:
        """Return the identity with that id, and its user."""

    def list_of(self, user_id: str) -> list[Identity]:
        """Return the identities of a user, oldest first."""

    def register(self, user: User, identity: Identity, *, effects: Effects = NO_EFFECTS) -> None:
        """Remember a new user and the identity that the user comes with, both or neither.

        Raises `DuplicateEmailError` or `IdentityTakenError`.
        """

    def link(
        self,
        identity: Identity,
        *,
        session: Session,
        spends: SpentChallenge,
        limit: int,
        effects: Effects = NO_EFFECTS,
    ) -> bool:
        """Give a session's user a further identity, and spend the token that allows it.

        Returns False, and changes nothing, if the user is gone, is disabled or has *limit* of them,
        the session is over or another user's, or the token is spent. Raises `IdentityTakenError`.
        """

    def unlink(
        self, user_id: str, identity_id: str, *, effects: Effects = NO_EFFECTS
    ) -> Identity | None:
        """Forget an identity; return it, or None where it is not one of the user's.

        Raises `LastWayInError` where the user has neither a password, nor a passkey, nor another
        identity. Of concurrent callers, none takes away what another one left.
        """

    def use(self, use: IdentityUse) -> None:
        """Note a log-in by an identity, and spend its one-time code.

        `SessionStore.open` does the same for a log-in that is complete. Raises `RevokedTokenError`,
        and changes nothing, if the code was spent or the identity is gone. Of many concurrent
        callers with one code exactly one succeeds.
        """

    def spend(self, challenge: SpentChallenge) -> bool:
        """Remember what works once until it expires; return whether it was not spent yet."""
