"""What whoever runs the service does with accounts, which it knows by their addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from falcon_auth.accounts.email_addresses import EmailSyntaxError, parse_email
from falcon_auth.accounts.registration import new_user
from falcon_auth.accounts.rules import AccountRules, check_identity
from falcon_auth.accounts.user_changes import UserChanges
from falcon_auth.audit.trail import Trail
from falcon_auth.errors import DuplicateEmailError, NotFoundError
from falcon_auth.models import User
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.passwords import Passwords
from falcon_auth.store import UserStore
from falcon_auth.store.directory import UserChange

PAGE = 500  # Users read at a time.
UNKNOWN = "No user has this e-mail address."


class Administration:
    """Find, create, disable, enable and delete users, set passwords. Safe to call from any thread.

    *actor* is who acts, as `Trail.effects` takes it. Every method raises `StoreUnavailableError` if
    the store cannot answer.
    """

    def __init__(
        self,
        users: UserStore,
        changes: UserChanges,
        rules: AccountRules,
        passwords: Passwords,
        trail: Trail,
        *,
        clock: Callable[[], float],
        events: Events = LOG_ONLY,
    ) -> None:
        self._users = users
        self._changes = changes
        self._rules = rules
        self._passwords = passwords
        self._trail = trail
        self._clock = clock
        self._events = events

    def users(self) -> Iterator[User]:
        """Iterate over all users by e-mail address, reading one page at a time.

        Users added or removed meanwhile may or may not be included; nobody is returned twice.
        """
        after = ""
        while page := self._users.list_by_email(after=after, limit=PAGE):
            yield from page
            after = page[-1].email_key

    def create(self, *, email: str, password: str, username: str | None, actor: str) -> User:
        """Create a user by the rules of registration.

        Raises `InvalidBodyError` with every violation of them, `DuplicateEmailError`,
        `DuplicateUsernameError`.
        """
        account = self._rules.check_registration(email=email, password=password, username=username)
        if self._users.find_by_email(account.email.key) is not None:
            raise DuplicateEmailError  # Spares the hash; the store decides.
        password_hash = self._passwords.hash(account.password)
        user = new_user(account.email, account.username, password_hash, now=self._clock())
        self._add(user, actor)
        self._events.record("user_created", user_id=user.id)
        return user

    def create_with_hash(
        self, *, email: str, username: str | None, password_hash: str, actor: str
    ) -> User:
        """Create a user from an existing password hash, by the other rules of registration.

        Raises `InvalidBodyError`, `DuplicateEmailError`, `DuplicateUsernameError`.
        """
        address = check_identity(email=email, username=username)
        user = new_user(address, username, password_hash, now=self._clock())
        self._add(user, actor)
        return user

    def find(self, email: str) -> User:
        """Return the user with that address. Raises `NotFoundError`."""
        try:
            user = self._users.find_by_email(parse_email(email).key)
        except EmailSyntaxError:
            user = None
        if user is None:
            raise NotFoundError(UNKNOWN)
        return user

    def delete(self, user: User, *, only_unchanged: bool = False) -> bool:
        """Delete a user and everything stored about them, at once; return whether the user existed.

        With *only_unchanged*, a user whose address was changed or verified since *user* was read
        is kept. Raises `LastAdministratorError`.
        """
        version = user.email_version if only_unchanged else None
        try:
            self._changes.delete(user.id, only_version=version)
        except NotFoundError:
            return False
        return True

    def set_active(self, email: str, *, active: bool) -> User:
        """Enable or disable a user; disabling ends all their sessions at once.

        Returns the user as they were before. Raises `NotFoundError`, `LastAdministratorError`.
        """
        user = self.find(email)
        return self._changes.change(user.id, UserChange(is_active=active)).before

    def unverified(self, *, created_before: float) -> Iterator[User]:
        """Iterate over users who have neither verified their address nor logged in.

        *created_before* is in epoch seconds.
        """
        for user in self.users():
            never_seen = not user.email_verified and user.last_login_at is None
            if never_seen and user.created_at < created_before:
                yield user

    def set_password(self, email: str, password: str, *, actor: str) -> int:
        """Set a user's password by the rules of registration; return how many sessions ended.

        Raises `InvalidBodyError` with every violation of the rules, and `NotFoundError`.
        """
        user = self.find(email)
        self._rules.check_new_password(password, user)
        change = self._users.set_password(
            user.id,
            self._passwords.hash(password),
            now=self._clock(),
            effects=self._trail.effects("password.changed", actor=actor, subject=user.id),
        )
        if change is None:  # pragma: no cover - deleted in between, which only a race reaches
            raise NotFoundError(UNKNOWN)
        self._events.record("password_changed", user_id=user.id)
        self._events.record(
            "sessions_ended", count=change.ended, user_id=user.id, reason="password"
        )
        return change.ended

    def _add(self, user: User, actor: str) -> None:
        effects = self._trail.effects("user.registered", actor=actor, subject=user.id)
        self._users.add(user, effects=effects)
