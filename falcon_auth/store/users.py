"""The users: registered, found, changed, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from falcon_auth.errors import AuthError
from falcon_auth.models import NO_EFFECTS, Effects, Login, Session, User
from falcon_auth.store.changes import Change

# What became of a user that was to be added: *unnamed* is one whose name somebody else has.
Addition = Literal["added", "unnamed", "taken"]


class UserStore(Protocol):
    """The users."""

    def add(
        self, user: User, session: Session | None = None, *, effects: Effects = NO_EFFECTS
    ) -> None:
        """Remember a new user and the session that registering opens, both or neither.

        Raises `DuplicateEmailError` or `DuplicateUsernameError`. Of many concurrent callers
        with one e-mail key exactly one succeeds.
        """

    def add_quietly(self, user: User, *, effects: Mapping[Addition, Effects]) -> Addition:
        """Remember a new user, without a name where that is taken, unless the address is.

        The effects of what happened are written, also where nothing was added. Whatever happens,
        the same statements are run, so that time does not tell it.
        """

    def add_many(self, users: Sequence[User]) -> dict[str, type[AuthError]]:
        """Remember those of *users* whose address and name are free, in one step for all.

        Returns, by user id, why the others were not: `DuplicateEmailError`, also where the name is
        taken as well, or `DuplicateUsernameError`. Of users in *users* that claim the same, the
        first is kept. An id that is taken is an address that is: that user is there already.
        """

    def list_by_email(self, *, after: str, limit: int) -> list[User]:
        """Return up to *limit* users whose e-mail key sorts after *after*, ordered by key.

        The order depends on the store but does not change; every key sorts after the empty one.
        """

    def find_by_email(self, key: str) -> User | None:
        """Return the user with that e-mail key (see `email_addresses.email_key`)."""

    def find(self, user_id: str) -> User | None:
        """Return the user with that id."""

    def upgrade_hash(self, login: Login) -> None:
        """Put `login.upgraded_hash` in the place of the hash that was checked, if it still is."""

    def change_password(
        self,
        user: User,
        password_hash: str,
        *,
        keep_session: str,
        now: float,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Replace the hash and end every other session of the user, both or neither.

        Returns None, and changes nothing, if the password was changed since *user* was read, the
        user is disabled, or the session to be kept is over: a thief's change must not win over
        the owner's log-out.
        """

    def set_password(
        self, user_id: str, password_hash: str, *, now: float, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Replace the hash, whatever it is now, and end all sessions, both or neither.

        For whoever runs the service. None, and nothing is changed, if the user is unknown.
        """

    def set_active(
        self, user_id: str, *, active: bool, now: float, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Enable or disable a user; disabling ends all its sessions. None if unknown."""

    def tell(self, user: User, effects: Effects) -> bool:
        """Write effects that change no record, messages to *user* above all.

        Returns False, and writes none, as `verify_email` does: nobody is told what is
        void already, and nothing is left of who was deleted.
        """

    def verify_email(self, user: User, *, now: float, effects: Effects = NO_EFFECTS) -> bool:
        """Note that the address is the user's.

        Returns False, and changes nothing, if the password, the address or whether it is verified
        was changed since *user* was read, or the user is disabled or gone.
        """

    def reset_password(
        self, user: User, password_hash: str, *, now: float, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Replace the hash, note that the address is the user's, and end all sessions.

        Where that is the first proof of the address, every other way in that was there before it
        (factors) goes too: a stranger may have made the account. Returns None and changes nothing
        where `verify_email` returns False.
        """

    def change_email(
        self,
        user: User,
        *,
        email: str,
        email_key: str,
        keep_session: str,
        now: float,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Give a user another address, which is verified, and end every other session.

        Returns None, and changes nothing, as `verify_email` returns False, and where the session
        to be kept is over: who had asked for the change was logged out since. Raises
        `DuplicateEmailError`.
        """

    def rename(
        self, user_id: str, username: str | None, *, now: float, effects: Effects = NO_EFFECTS
    ) -> User | None:
        """Give a user another name, or none; return the user as it is then, None if unknown.

        Raises `DuplicateUsernameError`.
        """

    def delete(
        self, user_id: str, *, only_version: int | None = None, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Forget a user with all that is kept of it: sessions, factors, and messages to it.

        With *only_version*, only if the user's `email_version` is still that one. Returns None
        where it did not take place. The audit trail stays as it is.
        """
