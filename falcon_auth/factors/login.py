"""Log in with a second factor, or with a passkey alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from falcon_auth.errors import (
    AccountDisabledError,
    EmailNotVerifiedError,
    NotFoundError,
    RevokedTokenError,
)
from falcon_auth.factors.challenges import LoginChallenge
from falcon_auth.factors.check import Checked, FactorCheck
from falcon_auth.factors.foundations import Foundations
from falcon_auth.factors.passkeys import Passkeys
from falcon_auth.models import SEVERAL_FACTORS, Client, Login, User
from falcon_auth.sessions.tokens import TokenPair
from falcon_auth.store import Holder


class FactorLogin:
    """The use cases of logging in by factors. Safe to call from any thread."""

    def __init__(self, on: Foundations, check: FactorCheck, passkeys: Passkeys) -> None:
        self._store = on.store.factors
        self._sessions = on.sessions
        self._challenges = on.challenges
        self._check = check
        self._passkeys = passkeys
        self._throttle = on.throttle
        self._trail = on.trail
        self._only_verified = on.only_verified
        self._events = on.events

    def options(self, challenge: str) -> dict[str, Any]:
        """Return the WebAuthn request options for the user's passkeys.

        Raises what `log_in_by_code` raises for the challenge, and `NotFoundError` if the user has
        no passkey.
        """
        read, holder = self._open_challenge(challenge)
        passkeys = holder.of_kind("passkey")
        if not passkeys:
            raise NotFoundError
        signed = self._challenges.for_passkey("factor", user_id=read.user_id, of=read.spent.id)
        return self._passkeys.request_options(signed, passkeys)

    def log_in_by_code(self, challenge: str, code: str, client: Client) -> TokenPair:
        """Finish a log-in with the code of an app, or a recovery code.

        Raises `FactorInvalidError`, `RateLimitedError`, `AccountDisabledError`; for the challenge,
        `InvalidTokenError`, `ExpiredTokenError`, or `RevokedTokenError` if the password or the
        factors have changed, or too many codes were tried.
        """
        read, holder = self._admit(challenge, client)
        checked = self._check.check_code(holder, code, client, takes_recovery_codes=True)
        return self._finish(holder, read, checked, client)

    def log_in_by_passkey(
        self, challenge: str, credential: Mapping[str, Any], client: Client
    ) -> TokenPair:
        """Finish a log-in with a passkey. Raises as `log_in_by_code` does."""
        read, holder = self._admit(challenge, client)
        checked = self._check.check_passkey(
            holder, credential, client, purpose="factor", of=read.spent.id
        )
        return self._finish(holder, read, checked, client)

    def passkey_options(self) -> dict[str, Any]:
        """Return the WebAuthn request options for any passkey of this service."""
        return self._passkeys.request_options(self._challenges.for_passkey("login"))

    def log_in_with_passkey_alone(self, credential: Mapping[str, Any], client: Client) -> TokenPair:
        """Log in with a passkey that has verified its user, which counts as two factors.

        Raises `FactorInvalidError`, `InvalidTokenError`, `ExpiredTokenError`,
        `AccountDisabledError`, `EmailNotVerifiedError`, `RateLimitedError`.
        """
        presented = self._check.read(credential, None, client, key="passkey")
        key = f"passkey {presented.credential_id}"  # Never an e-mail key: those have no spaces.
        found = self._store.find_credential(presented.credential_id)
        factor, user = found if found is not None else (None, None)
        self._throttle.check_login(user.email_key if user else key, client.ip)
        spent = self._challenges.read_passkey(presented.challenge, "login")
        # The user handle names the user whose passkey the device believes it to be (WebAuthn, 7.2,
        # step 6).
        if factor is None or user is None or presented.user_id != user.id:
            self._check.refuse(user, client, key=key)
        checked = self._check.check_signature(user, factor, presented, spent, client)
        if not user.is_active:
            self._refuse_disabled(user)
        if self._only_verified and not user.email_verified:
            self._record_failure(user, "unverified")
            raise EmailNotVerifiedError
        self._check.succeed(user, client)
        methods = (checked.method, SEVERAL_FACTORS)
        return self._open(Login(user, methods=methods, use=checked.use), client)

    def _admit(self, challenge: str, client: Client) -> tuple[LoginChallenge, Holder]:
        read, holder = self._open_challenge(challenge)
        self._check.admit(holder.user, client)
        self._challenges.count_guess(read)
        return read, holder

    def _open_challenge(self, challenge: str) -> tuple[LoginChallenge, Holder]:
        read = self._challenges.read_login(challenge)
        holder = self._store.find_holder(read.user_id)
        if holder is None or not read.fits(holder.user):
            raise RevokedTokenError
        if not holder.user.is_active:
            self._refuse_disabled(holder.user)
        return read, holder

    def _finish(
        self, holder: Holder, challenge: LoginChallenge, checked: Checked, client: Client
    ) -> TokenPair:
        self._check.succeed(holder.user, client)
        methods = (*challenge.methods, checked.method, SEVERAL_FACTORS)
        use = checked.use.also_spending(challenge.spent)
        return self._open(Login(holder.user, methods=methods, use=use), client)

    def _open(self, login: Login, client: Client) -> TokenPair:
        pair = self._sessions.open(login, client)
        self._events.record("login_succeeded", user_id=login.user.id)
        return pair

    def _refuse_disabled(self, user: User) -> NoReturn:
        self._record_failure(user, "disabled")
        raise AccountDisabledError

    def _record_failure(self, user: User, reason: str) -> None:
        self._events.record("login_failed", user_id=user.id, reason=reason)
        self._trail.record_failed_login(account=user.email_key, subject=user.id, reason=reason)
