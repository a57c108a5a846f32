"""What whoever runs the service does with accounts, without a password of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from falcon_auth.accounts import Accounts, UserStore
from falcon_auth.emails import EmailSyntaxError, email_key, parse_email
from falcon_auth.errors import (
    Breach,
    DuplicateEmailError,
    InvalidBodyError,
    InvalidEmailError,
    NotFoundError,
)
from falcon_auth.models import User
from falcon_auth.passwords import Passwords
from falcon_auth.usernames import is_username

PAGE = 500  # Users read at a time.
UNKNOWN = "No user has this e-mail address."

log = structlog.get_logger("falcon_auth.administration")


class Administration:
    """List, create, disable and enable users. Safe to call from any thread.

    Every method raises `StoreUnavailableError` where the store cannot answer.
    """

    def __init__(
        self,
        store: UserStore,
        accounts: Accounts,
        passwords: Passwords,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._passwords = passwords
        self._clock = clock

    def users(self) -> Iterator[User]:
        """Go through all users by e-mail address, a page at a time.

        Who is added or removed meanwhile may be among them or not; nobody comes twice.
        """
        after = ""
        while page := self._store.list_users(after=after, limit=PAGE):
            yield from page
            after = page[-1].email_key

    def create(self, *, email: str, password: str, username: str | None) -> User:
        """Make a user, by the rules of registration.

        Raises `InvalidBodyError` with every breach of them, `DuplicateEmailError`,
        `DuplicateUsernameError`.
        """
        body = {"email": email, "password": password, "username": username}
        breaches = [*_name_breaches(email, username), *self._accounts.registration_breaches(body)]
        if breaches:
            raise InvalidBodyError(breaches)
        if self._store.find_by_email(email_key(parse_email(email))) is not None:
            raise DuplicateEmailError  # Spares the hash; the store decides.
        user = self._accounts.create(
            email=email, username=username, password_hash=self._passwords.hash(password)
        )
        log.info("user_created", user_id=user.id)
        return user

    def set_active(self, email: str, *, active: bool) -> User:
        """Enable or disable a user; disabling ends all its sessions at once.

        Returns the user as it was. Raises `NotFoundError`.
        """
        try:
            key = email_key(parse_email(email))
        except EmailSyntaxError:
            raise NotFoundError(UNKNOWN) from None
        user = self._store.find_by_email(key)
        if user is None or not self._store.set_active(user.id, active=active, now=self._clock()):
            raise NotFoundError(UNKNOWN)
        log.warning("user_enabled" if active else "user_disabled", user_id=user.id)
        return user


def _name_breaches(email: str, username: str | None) -> Iterator[Breach]:
    try:
        parse_email(email)
    except EmailSyntaxError:
        yield Breach("/email", InvalidEmailError.code, InvalidEmailError.default_detail)
    if username is not None and not is_username(username):
        detail = "A user name has 3 to 50 ASCII letters, digits and underscores."
        yield Breach("/username", InvalidBodyError.code, detail)
