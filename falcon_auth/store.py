"""The interface of the store: its parts, and what each of their methods guarantees.

A store has a part for each kind of record. Every method of a part is one atomic step: it takes its
decision and acts on it under one lock, or in one transaction, and never reads first and writes
later. So a use case is right with several threads and processes if each of its steps is.

Every part is safe to call from any thread. Every method raises `StoreUnavailableError` where the
backend cannot answer, and has then changed nothing. There are two exceptions, in which only the
answer may have been lost: its detail is `outcome_unknown`, or the method says that it can be
repeated.

A capability adds a part of its own: a protocol here, an implementation beside the others in
`stores/memory/` and in `stores/sql/`, and its claims in the contract suite of the tests.

What must be written together with a change is an argument of the method that makes it, as the
first session is of `UserStore.add`. *effects* are the audit events and the messages that the change
gives rise to: they are written in its transaction, if and only if it takes place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from falcon_auth.errors import AuthError
from falcon_auth.models import (
    NO_EFFECTS,
    AuditEvent,
    Effects,
    Factor,
    FactorKind,
    FactorUse,
    Login,
    Message,
    RecoveryCodes,
    Session,
    SpentChallenge,
    User,
)

MAX_WAITING_PER_USER = 100  # Messages of one channel: nobody fills the outbox alone.

# What became of a user that was to be added: *unnamed* is one whose name somebody else has.
Addition = Literal["added", "unnamed", "taken"]


class Change(NamedTuple):
    """A change that took place, and how many sessions it ended."""

    ended: int


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


class Rotation(NamedTuple):
    """A session after an attempt to rotate it, and whether this attempt succeeded."""

    session: Session
    won: bool


class Opening(NamedTuple):
    """A session that was opened: its user as it is now, and how many others made room for it."""

    user: User
    evicted: int


class SessionStore(Protocol):
    """The sessions. Ended ones stay known until they are swept."""

    def open(
        self, session: Session, *, login: Login, limit: int, effects: Effects = NO_EFFECTS
    ) -> Opening | None:
        """Remember a new session and the log-in that opened it.

        Sets the user's `last_login_at`, and its hash to `login.upgraded_hash` where the stored
        hash is still the one that was checked. Of the user's live sessions the least recently
        refreshed are ended until *limit* are left. Returns None, and changes nothing, if the user
        is gone or disabled, or password or factors were changed since they were checked.

        `login.use` is spent in the same step: raises `FactorInvalidError`, and changes nothing,
        if it was spent before. Of many concurrent callers with one use exactly one succeeds.
        """

    def find(self, session_id: str) -> tuple[Session, User] | None:
        """Return a session, live or ended, with its user."""

    def rotate(
        self, session_id: str, *, expected: int, now: float, expires_at: float
    ) -> Rotation | None:
        """Move a live session on from generation *expected*; return how it stands then.

        Of many concurrent callers exactly one wins; the others see what it left. Returns
        None if the session was ended or never existed. Can be repeated: the repeat sees
        what one whose answer was lost left behind.
        """

    def end(self, session_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> bool:
        """End a session; return whether it was live. Ending one that is over changes nothing."""

    def end_all_of(self, user_id: str, *, now: float, effects: Effects = NO_EFFECTS) -> int:
        """End every live session of a user; return how many there were.

        The effects are written where there was one at least.
        """

    def list_live(self, user_id: str, *, now: float) -> list[Session]:
        """Return the user's sessions that are neither ended nor expired, newest first."""

    def sweep(self, *, expired_before: float, ended_before: float, limit: int) -> bool:
        """Forget sessions that expired or ended before those times, about *limit* of them.

        Returns whether there may be more.
        """

    @property
    def count(self) -> int:
        """The number of stored sessions, live or not. Fast, and possibly a little out of date."""


class AuditStore(Protocol):
    """The audit trail: append only."""

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Remember what changed no other record, such as a refused log-in."""

    def list_newest(self, *, limit: int) -> list[AuditEvent]:
        """Return up to *limit* events, newest first."""


class OutboxCount(NamedTuple):
    """How many messages of one channel there are."""

    channel: str
    waiting: int
    failed: int
    oldest_at: float | None  # When the oldest that waits was created.


class OutboxStore(Protocol):
    """The messages that are to be delivered; what was delivered is not kept.

    A message waits until it is delivered or given up. Those of one user and channel leave in the
    order in which they were committed, one after the other; one that was given up lets the later
    ones go on. Of each user at most `MAX_WAITING_PER_USER` wait in a channel: more are dropped,
    and the log says so (`message_dropped`): a change must not fail by the mail that tells of it.
    """

    def add(self, messages: Sequence[Message]) -> None:
        """Queue what changed no other record."""

    def lease(self, channel: str, *, now: float, until: float) -> Message | None:
        """Return a message that is due, and keep it from everybody else *until* then.

        It is the oldest of its user; of all users' the one that is due first. Its `attempts` counts
        this one already. Of many concurrent callers no two get the same. None where nothing is due.
        """

    def remove_delivered(self, leased: Message) -> bool:
        """Forget a message that was delivered. False if the lease was over and is another's."""

    def postpone(self, leased: Message, *, due_at: float, error: str) -> bool:
        """Reschedule a message to *due_at*. Returns False as `remove_delivered` does."""

    def give_up(self, leased: Message, *, now: float, error: str) -> bool:
        """Mark a message as failed, for operators only to retry. Returns as `postpone` does."""

    def retry(self, message_ids: Collection[str] | None, *, now: float) -> int:
        """Requeue failed messages, by id or (None) all; return how many. Ignores unknown ids."""

    def list_waiting(self, *, limit: int) -> list[Message]:
        """Return up to *limit* messages that wait, oldest first."""

    def list_failed(self, *, limit: int) -> list[Message]:
        """Return up to *limit* messages that were given up, oldest first."""

    def counts(self) -> list[OutboxCount]:
        """Count the messages of each channel that has any."""

    def sweep_failed(self, *, failed_before: float) -> int:
        """Delete messages that were given up before *failed_before*; return how many."""


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


class Store(Protocol):
    """Everything that outlives a request, a part for each kind of record."""

    @property
    def users(self) -> UserStore:
        """The users."""

    @property
    def sessions(self) -> SessionStore:
        """The sessions."""

    @property
    def factors(self) -> FactorStore:
        """The second factors."""

    @property
    def audit(self) -> AuditStore:
        """The audit trail."""

    @property
    def outbox(self) -> OutboxStore:
        """The messages to be delivered."""
