"""The users: registered, found, changed, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from falcon_auth.errors import AuthError
from falcon_auth.models import NO_EFFECTS, AuditEvent, Effects, Login, Session, User
from falcon_auth.store.changes import Change
from falcon_auth.store.roles import Authority

# The outcome of adding a user. *unnamed*: it was added without the user name, which was taken.
Addition = Literal["added", "unnamed", "taken"]


class UserStore(Protocol):
    """The users."""

    def add(
        self,
        user: User,
        session: Session | None = None,
        *,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> None:
        """Store a new user, and the first session if there is one, both or neither.

        Raises `DuplicateEmailError` or `DuplicateUsernameError`. Of many concurrent callers with
        the same e-mail key, exactly one succeeds. Touches the scopes of the user's roles; raises
        `NotFoundError` if one of them is not defined.
        """

    def add_quietly(self, user: User, *, effects: Mapping[Addition, Effects]) -> Addition:
        """Store a new user unless the address is taken; omit the user name if that is taken.

        The effects of the actual outcome are written, even if no user was added. The same
        statements run in every case, so that the response time does not reveal the outcome.
        """

    def add_many(
        self, users: Sequence[User], *, events: Sequence[AuditEvent] = ()
    ) -> dict[str, type[AuthError]]:
        """Store those of *users* whose address and name are free, all in one step.

        Of *events*, those whose subject was not refused are written with them.

        Returns, by user id, why the others were refused: `DuplicateEmailError`, even if the name is
        taken as well, or `DuplicateUsernameError`. If several of *users* have the same address or
        name, the first is stored. An id that exists counts as a taken address, because that user
        was stored before. Roles that are not defined are left out.
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
        """Replace the hash that was checked with `login.upgraded_hash`, unless it has changed."""

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

        Returns None, and changes nothing, if the password was changed since *user* was read, if the
        user is disabled, or if the session to be kept has ended: after the owner has logged a thief
        out, the thief's request must not succeed.
        """

    def set_password(
        self, user_id: str, password_hash: str, *, now: float, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Replace the hash unconditionally, and end all sessions, both or neither.

        For operators. Returns None, and changes nothing, if the user does not exist.
        """

    def set_active(
        self,
        user_id: str,
        *,
        active: bool,
        now: float,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Enable or disable a user; disabling ends all sessions. None if there is no such user.

        Touches the user's scopes. Raises `LastAdministratorError`.
        """

    def tell(self, user: User, effects: Effects) -> bool:
        """Write effects, mainly messages to *user*, that belong to no other change.

        Returns False, and writes nothing, in the cases of `verify_email`: a notice that is out of
        date is not sent, and nothing is stored about a deleted user.
        """

    def verify_email(self, user: User, *, now: float, effects: Effects = NO_EFFECTS) -> bool:
        """Mark the user's address as verified.

        Returns False, and changes nothing, if the password, the address or its verification have
        changed since *user* was read, or if the user is disabled or gone.
        """

    def reset_password(
        self, user: User, password_hash: str, *, now: float, effects: Effects = NO_EFFECTS
    ) -> Change | None:
        """Replace the hash, mark the address as verified, and end all sessions.

        If the address was not verified before, a stranger may have created the account, so every
        other means of logging in (factors) is deleted as well. Returns None, and changes nothing,
        in the cases in which `verify_email` returns False.
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
        """Replace the user's address with another, verified one, and end every other session.

        Returns None, and changes nothing, in the cases in which `verify_email` returns False, and
        if the session that requested the change has ended. Raises `DuplicateEmailError`.
        """

    def rename(
        self, user_id: str, username: str | None, *, now: float, effects: Effects = NO_EFFECTS
    ) -> User | None:
        """Replace or remove the user name; return the changed user, None if there is none.

        Raises `DuplicateUsernameError`.
        """

    def delete(
        self,
        user_id: str,
        *,
        only_version: int | None = None,
        by: Authority | None = None,
        effects: Effects = NO_EFFECTS,
    ) -> Change | None:
        """Delete a user and everything stored about them: sessions, factors, roles, and messages.

        With *only_version*, only if the user's `email_version` is still that one. Returns None if
        nothing was deleted. The audit trail is kept, with ids; in events that the user may have
        caused, the client's address and browser are blanked (of very many events, the oldest a
        little later). Touches the user's scopes. Raises `LastAdministratorError`.
        """
