"""The rules for e-mail addresses, user names and passwords, used by every use case that stores one.

In functions that return violations, None stands for an argument that is missing or not a string:
the schema reports those. Pointers name the argument of the use case, which has the same name as the
member of the body.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from falcon_auth.accounts.email_addresses import EmailAddress, EmailSyntaxError, parse_email
from falcon_auth.accounts.usernames import is_username
from falcon_auth.errors import (
    InvalidBodyError,
    InvalidEmailError,
    Violation,
    WeakPasswordError,
)
from falcon_auth.models import User
from falcon_auth.passwords import PasswordPolicy

USERNAME_RULE = "A user name has 3 to 50 ASCII letters, digits and underscores."
UNICODE_RULE = "Must not have a lone surrogate."


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A new account's e-mail address, user name and password, after the rules have passed."""

    email: EmailAddress
    password: str = field(repr=False)
    username: str | None


class AccountRules:
    """The rules, with the configured password policy. Safe to call from any thread."""

    def __init__(self, policy: PasswordPolicy) -> None:
        self._policy = policy

    def check_registration(self, *, email: str, password: str, username: str | None) -> NewAccount:
        """Return the new account, with its address parsed.

        Raises `InvalidBodyError` with every violation.
        """
        address, violations = self._examine(email, password, username)
        if address is None or violations:
            raise InvalidBodyError(violations)
        return NewAccount(address, password, username)

    def registration_violations(
        self, *, email: str | None, password: str | None, username: str | None
    ) -> list[Violation]:
        """Return every violation of the rules by a registration."""
        return self._examine(email, password, username)[1]

    def check_new_password(self, new_password: str, user: User) -> None:
        """Raise `InvalidBodyError` if *user* may not have that password."""
        violations = self.new_password_violations(new_password, user)
        if violations:
            raise InvalidBodyError(violations)

    def new_password_violations(
        self, new_password: str | None, user: User | None
    ) -> list[Violation]:
        """Return every violation of the password policy; *user* is the owner, if known."""
        return self._password_violations(
            new_password,
            "/new_password",
            email=user.email if user else None,
            username=user.username if user else None,
        )

    def _examine(
        self, email: str | None, password: str | None, username: str | None
    ) -> tuple[EmailAddress | None, list[Violation]]:
        address, violations = _parse(email, "/email")
        violations += username_violations(username)
        violations += self._password_violations(
            password, "/password", email=email, username=username
        )
        return address, violations

    def _password_violations(
        self, password: str | None, pointer: str, *, email: str | None, username: str | None
    ) -> list[Violation]:
        if password is None:
            return []
        try:
            password.encode()
        except UnicodeEncodeError:
            return [Violation(pointer, InvalidBodyError.code, UNICODE_RULE)]
        faults = self._policy.faults(password, email=email, username=username)
        return [Violation(pointer, WeakPasswordError.code, " ".join(faults))] if faults else []


def check_identity(*, email: str, username: str | None) -> EmailAddress:
    """Check address and user name of an account that brings its hash; return the address.

    Raises `InvalidBodyError` with every violation.
    """
    address, violations = _parse(email, "/email")
    violations += username_violations(username)
    if address is None or violations:
        raise InvalidBodyError(violations)
    return address


def identity_violations(*, email: str | None, username: str | None) -> list[Violation]:
    """Return the violations that `check_identity` would raise."""
    return _parse(email, "/email")[1] + username_violations(username)


def check_email(email: str, *, pointer: str = "/email") -> EmailAddress:
    """Return the parsed address. Raises `InvalidBodyError` if it is not an address."""
    address, violations = _parse(email, pointer)
    if address is None:
        raise InvalidBodyError(violations)
    return address


def email_violations(email: str | None, *, pointer: str = "/email") -> list[Violation]:
    """Return what is wrong with an address."""
    return _parse(email, pointer)[1]


def check_username(username: str | None) -> None:
    """Raise `InvalidBodyError` if *username* is not one; None, for no user name, is allowed."""
    violations = username_violations(username)
    if violations:
        raise InvalidBodyError(violations)


def username_violations(username: str | None) -> list[Violation]:
    """Return what is wrong with a user name."""
    if username is None or is_username(username):
        return []
    return [Violation("/username", InvalidBodyError.code, USERNAME_RULE)]


def _parse(email: str | None, pointer: str) -> tuple[EmailAddress | None, list[Violation]]:
    if email is None:
        return None, []
    try:
        return parse_email(email), []
    except EmailSyntaxError:
        detail = InvalidEmailError.default_detail
        return None, [Violation(pointer, InvalidEmailError.code, detail)]
