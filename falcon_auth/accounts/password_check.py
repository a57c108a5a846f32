"""Check an account's password, at log-in and wherever else a user has to authenticate."""

from __future__ import annotations

from falcon_auth.audit.trail import Trail
from falcon_auth.errors import AccountDisabledError, InvalidCredentialsError
from falcon_auth.models import Client, Login, User
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.passwords import Abandoned, Passwords
from falcon_auth.throttle.attempts import Throttle


class PasswordCheck:
    """Compares passwords under the throttle. Safe to call from any thread.

    Call `admit` first, before looking anything up, and then `compare`.
    """

    def __init__(
        self, passwords: Passwords, throttle: Throttle, trail: Trail, *, events: Events = LOG_ONLY
    ) -> None:
        self._trail = trail
        self._passwords = passwords
        self._throttle = throttle
        self._events = events

    def admit(self, key: str, client: Client) -> None:
        """Raise `RateLimitedError` if a limit has been reached; *key* is the e-mail key."""
        self._throttle.check_login(key, client.ip)

    def compare(
        self,
        user: User | None,
        key: str,
        password: str,
        client: Client,
        abandoned: Abandoned | None,
        *,
        actor: str | None = None,
    ) -> Login:
        """Compare the password on the hashing pool, count the outcome, and return the log-in.

        None stands for an unknown account; *actor* is the id of a user who has logged in already.
        Every refusal by password costs one trip through the hashing pool, and is written in the
        audit trail. Of a user with a second factor nothing is forgotten yet: a password alone
        proves too little. Raises `InvalidCredentialsError`, `AccountDisabledError`,
        `RateLimitedError`, `OverloadedError`, `StoreUnavailableError`.
        """
        stored = user.password_hash if user and user.has_password else None
        verdict = self._passwords.check(password, stored, client=client, abandoned=abandoned)
        user_id = user.id if user else None
        if verdict.damaged:
            self._events.record("password_hash_damaged", user_id=user_id)
        if user is None or not verdict.matches:
            reason = "password" if user else "unknown"
            self._events.record("login_failed", user_id=user_id, reason=reason)
            self._trail.record_failed_login(
                account=key, actor=actor, subject=user_id, reason=reason
            )
            self._throttle.count_failure(key, client.ip)
            raise InvalidCredentialsError
        login = Login(user, verdict.upgraded)
        if login.is_complete:
            self._throttle.count_success(key, client.ip)
        else:
            self._throttle.check_login(key, client.ip)
        if not user.is_active:
            self._events.record("login_failed", user_id=user_id, reason="disabled")
            self._trail.record_failed_login(
                account=key, actor=actor, subject=user_id, reason="disabled"
            )
            raise AccountDisabledError
        return login
