"""Change the password, knowing the current one."""

from __future__ import annotations

from collections.abc import Callable

from falcon_auth.accounts.password_check import PasswordCheck
from falcon_auth.accounts.rules import AccountRules
from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import NO_MAILS, Mails
from falcon_auth.errors import InvalidCredentialsError, Violation
from falcon_auth.models import Caller, Client
from falcon_auth.observability.events import LOG_ONLY, Events
from falcon_auth.passwords import Abandoned, Passwords
from falcon_auth.store import UserStore


class PasswordChange:
    """The use case of changing a password. Safe to call from any thread."""

    def __init__(
        self,
        users: UserStore,
        passwords: Passwords,
        rules: AccountRules,
        check: PasswordCheck,
        trail: Trail,
        *,
        clock: Callable[[], float],
        mails: Mails = NO_MAILS,
        events: Events = LOG_ONLY,
    ) -> None:
        self._mails = mails
        self._users = users
        self._passwords = passwords
        self._rules = rules
        self._check = check
        self._trail = trail
        self._clock = clock
        self._events = events

    def violations(self, caller: Caller, *, new_password: str | None) -> list[Violation]:
        """Return the violations that `change` would raise; None stands for a missing member."""
        return self._rules.new_password_violations(new_password, caller.user)

    def change(
        self,
        caller: Caller,
        *,
        current_password: str,
        new_password: str,
        client: Client,
        abandoned: Abandoned | None = None,
    ) -> None:
        """Replace the caller's password; every session except the current one ends.

        A wrong current password counts as a failed attempt. Raises `InvalidBodyError` if the
        policy refuses the new password, and otherwise what `PasswordLogin.log_in` raises.
        """
        user = caller.user
        self._rules.check_new_password(new_password, user)
        self._check.admit(user.email_key, client)
        self._check.compare(
            user, user.email_key, current_password, client, abandoned, actor=user.id
        )
        password_hash = self._passwords.hash(new_password, client=client, abandoned=abandoned)
        notice = self._mails.message(
            "password_changed", user, language=client.language, ip=client.ip
        )
        changed = self._users.change_password(
            user,
            password_hash,
            keep_session=caller.session.id,
            now=self._clock(),
            effects=self._trail.effects(
                "password.changed", actor=user.id, subject=user.id, messages=notice
            ),
        )
        if changed is None:  # Somebody changed it, or logged out, while this request was hashing.
            self._events.record("login_failed", user_id=user.id, reason="changed")
            self._trail.record_failed_login(
                account=user.email_key, actor=user.id, subject=user.id, reason="changed"
            )
            raise InvalidCredentialsError
        self._events.record("password_changed", user_id=user.id)
        self._events.record(
            "sessions_ended", count=changed.ended, user_id=user.id, reason="password"
        )
