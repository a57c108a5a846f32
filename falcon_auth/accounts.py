"""Accounts: register, authenticate with a password, change it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from falcon_auth.emails import EmailSyntaxError, email_key, parse_email
from falcon_auth.errors import (
    AccountDisabledError,
    AuthError,
    Breach,
    DuplicateEmailError,
    InvalidCredentialsError,
    WeakPasswordError,
)
from falcon_auth.events import NO_EVENTS, Events, LoginFailure
from falcon_auth.models import Caller, Client, Login, Session, User
from falcon_auth.passwords import PasswordPolicy, Passwords
from falcon_auth.sessions import Sessions, TokenPair
from falcon_auth.throttle import Throttle

log = structlog.get_logger("falcon_auth.accounts")

Abandoned = Callable[[], bool]  # Whether the client has hung up meanwhile.


class UserStore(Protocol):
    """Where users live.

    Safe to call from any thread; each method is one atomic step. Any of them raises
    `StoreUnavailableError` when the backend cannot answer, and has then changed nothing.
    """

    def add_user(self, user: User, session: Session | None = None) -> None:
        """Remember a new user and the session that registering opens, both or neither.

        Raises `DuplicateEmailError` or `DuplicateUsernameError`. Of many concurrent callers
        with one e-mail key exactly one succeeds.
        """

    def add_users(self, users: Sequence[User]) -> dict[str, type[AuthError]]:
        """Remember those of *users* whose address and name are free, in one step for all.

        Returns, by user id, why the others were not: `DuplicateEmailError`, also where the name is
        taken as well, or `DuplicateUsernameError`. Of users in *users* that claim the same, the
        first is kept.
        """

    def list_users(self, *, after: str, limit: int) -> list[User]:
        """Return up to *limit* users whose e-mail key comes after *after*, in the keys' order.

        The order is the store's own and does not change; every key comes after the empty one.
        """

    def find_by_email(self, key: str) -> User | None:
        """Return the user with that e-mail key (see `emails.email_key`)."""

    def change_password(
        self, user: User, password_hash: str, *, keep_session: str, now: float
    ) -> bool:
        """Replace the hash and end every other session of the user, both or neither.

        Returns False, and does nothing, if the password was changed since *user* was read, the
        user is disabled, or the session to be kept is over: a thief's change must not win over
        the owner's log-out.
        """

    def set_active(self, user_id: str, *, active: bool, now: float) -> bool:
        """Enable or disable a user; disabling ends all its sessions. False if unknown."""


class Accounts:
    """The use cases around passwords. Safe to call from any thread."""

    def __init__(
        self,
        store: UserStore,
        sessions: Sessions,
        passwords: Passwords,
        policy: PasswordPolicy,
        throttle: Throttle,
        *,
        clock: Callable[[], float],
        events: Events = NO_EVENTS,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._passwords = passwords
        self._policy = policy
        self._throttle = throttle
        self._clock = clock
        self._events = events

    def registration_breaches(self, body: Mapping[str, object]) -> list[Breach]:
        """Return what the password policy has against a registration, in whatever state it is."""
        email, username = body.get("email"), body.get("username")
        return self._password_breaches(
            body.get("password"),
            "/password",
            email=email if isinstance(email, str) else None,
            username=username if isinstance(username, str) else None,
        )

    def change_breaches(self, user: User, body: Mapping[str, object]) -> list[Breach]:
        """Return what the password policy has against a new password."""
        return self._password_breaches(
            body.get("new_password"), "/new_password", email=user.email, username=user.username
        )

    def register(
        self,
        *,
        email: str,
        password: str,
        username: str | None,
        client: Client,
        abandoned: Abandoned | None = None,
    ) -> TokenPair:
        """Make a user and open its first session. The arguments have been validated.

        Raises `DuplicateEmailError`, `DuplicateUsernameError`, `RateLimitedError`,
        `OverloadedError`.
        """
        self._throttle.count_registration(client.ip)
        email = parse_email(email)
        key = email_key(email)
        if self._store.find_by_email(key) is not None:  # Spares the hash; `add_user` decides.
            raise DuplicateEmailError
        password_hash = self._passwords.hash(password, abandoned=abandoned)
        user = self._new_user(email, key, username, password_hash)
        session = self._sessions.begin(user.id, client)
        self._store.add_user(user, session)
        log.info("user_registered", user_id=user.id)
        self._events.registered()
        return self._sessions.issue(user, session)

    def create(self, *, email: str, username: str | None, password_hash: str) -> User:
        """Make a user without a session, for whoever runs the service.

        Raises `EmailSyntaxError`, `DuplicateEmailError`, `DuplicateUsernameError`.
        """
        email = parse_email(email)
        user = self._new_user(email, email_key(email), username, password_hash)
        self._store.add_user(user)
        return user

    def log_in(
        self, *, email: str, password: str, client: Client, abandoned: Abandoned | None = None
    ) -> TokenPair:
        """Check a password and open a session.

        Raises `InvalidCredentialsError`, `AccountDisabledError`, `RateLimitedError`,
        `OverloadedError`. Every refusal by password costs one trip through the hashing pool.
        """
        try:
            key = email_key(parse_email(email))
        except EmailSyntaxError:
            raise InvalidCredentialsError from None
        self._throttle.check_login(key, client.ip)
        user = self._store.find_by_email(key)
        login = self._check(user, key, password, client, abandoned)
        pair = self._sessions.open(login, client)
        log.info("login_succeeded", user_id=login.user.id)
        self._events.logged_in()
        return pair

    def change_password(
        self,
        caller: Caller,
        *,
        current: str,
        new: str,
        client: Client,
        abandoned: Abandoned | None = None,
    ) -> None:
        """Replace the caller's password; every session but the caller's own ends.

        A wrong current password counts as a failed attempt. Raises as `log_in` does.
        """
        user = caller.user
        self._throttle.check_login(user.email_key, client.ip)
        self._check(user, user.email_key, current, client, abandoned)
        password_hash = self._passwords.hash(new, abandoned=abandoned)
        changed = self._store.change_password(
            user, password_hash, keep_session=caller.session.id, now=self._clock()
        )
        if not changed:  # Somebody changed it, or logged out, while this request was hashing.
            self._events.login_failed("changed")
            raise InvalidCredentialsError
        log.info("password_changed", user_id=user.id)

    def _new_user(self, email: str, key: str, username: str | None, password_hash: str) -> User:
        now = self._clock()
        return User(
            id=str(uuid.uuid4()),
            email=email,
            email_key=key,
            username=username,
            password_hash=password_hash,
            created_at=now,
            updated_at=now,
        )

    def _check(
        self,
        user: User | None,
        key: str,
        password: str,
        client: Client,
        abandoned: Abandoned | None,
    ) -> Login:
        """Compare the password, on the pool; count the outcome; return the log-in it allows."""
        verdict = self._passwords.check(
            password, user.password_hash if user else None, abandoned=abandoned
        )
        user_id = user.id if user else None
        if verdict.damaged:
            log.error("password_hash_damaged", user_id=user_id)
        if user is None or not verdict.matches:
            reason: LoginFailure = "password" if user else "unknown"
            log.warning("login_failed", user_id=user_id, reason=reason)
            self._events.login_failed(reason)
            self._throttle.count_failure(key, client.ip)
            raise InvalidCredentialsError
        self._throttle.count_success(key, client.ip)
        if not user.is_active:
            log.warning("login_failed", user_id=user_id, reason="disabled")
            self._events.login_failed("disabled")
            raise AccountDisabledError
        return Login(user, verdict.upgraded)

    def _password_breaches(
        self, password: object, pointer: str, *, email: str | None, username: str | None
    ) -> list[Breach]:
        if not isinstance(password, str):
            return []  # The schema says so.
        faults = self._policy.faults(password, email=email, username=username)
        if not faults:
            return []
        return [Breach(pointer, WeakPasswordError.code, " ".join(faults))]
