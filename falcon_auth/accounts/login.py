"""Log in with e-mail address and password."""

from __future__ import annotations

from falcon_auth.accounts.password_check import PasswordCheck
from falcon_auth.accounts.rules import check_email, email_violations
from falcon_auth.audit.trail import Trail
from falcon_auth.errors import EmailNotVerifiedError, Violation
from falcon_auth.models import Client
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.passwords import Abandoned
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.sessions.tokens import TokenPair
from falcon_auth.store import UserStore


class PasswordLogin:
    """The use case of logging in. Safe to call from any thread.

    With *only_verified*, users whose address is not verified yet cannot log in.
    """

    def __init__(
        self,
        users: UserStore,
        sessions: Sessions,
        check: PasswordCheck,
        trail: Trail,
        *,
        only_verified: bool = False,
        events: Events = LOG_ONLY,
    ) -> None:
        self._only_verified = only_verified
        self._users = users
        self._sessions = sessions
        self._check = check
        self._trail = trail
        self._events = events

    def violations(self, *, email: str | None) -> list[Violation]:
        """Return the violations that `log_in` would raise; None stands for a missing member."""
        return email_violations(email)

    def log_in(
        self, *, email: str, password: str, client: Client, abandoned: Abandoned | None = None
    ) -> TokenPair:
        """Check a password and open a session.

        Raises `InvalidBodyError` for what is not an address, `InvalidCredentialsError`,
        `SecondFactorRequiredError`, `AccountDisabledError`, `EmailNotVerifiedError`,
        `RateLimitedError`, `OverloadedError`.
        """
        address = check_email(email)
        self._check.admit(address.key, client)
        user = self._users.find_by_email(address.key)
        login = self._check.compare(user, address.key, password, client, abandoned)
        if self._only_verified and not login.user.email_verified:
            self._events.record("login_failed", user_id=login.user.id, reason="unverified")
            self._trail.record_failed_login(
                account=address.key, subject=login.user.id, reason="unverified"
            )
            raise EmailNotVerifiedError
        if login.upgraded_hash is not None and not login.is_complete:
            self._users.upgrade_hash(login)  # Opening a session does it for everybody else.
        pair = self._sessions.open(login, client)
        self._events.record("login_succeeded", user_id=login.user.id)
        return pair
