"""Checks second factors: codes of authenticator apps, recovery codes and passkeys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from falcon_auth.errors import FactorInvalidError
from falcon_auth.factors import recovery_codes, totp
from falcon_auth.factors.challenges import Purpose
from falcon_auth.factors.encryption import SecretBox, UndecryptableError
from falcon_auth.factors.foundations import Foundations
from falcon_auth.factors.passkey_data import PasskeyInvalidError, Presented
from falcon_auth.factors.passkeys import Passkeys, method_of
from falcon_auth.models import CODE_METHOD, Client, Factor, FactorUse, Message, SpentChallenge, User
from falcon_auth.store import Holder


class Checked(NamedTuple):
    """A second factor that was correct: its authentication method, and what to spend."""

    method: str  # RFC 8176.
    use: FactorUse


class FactorCheck:
    """Checks factors under the account's limits. Safe to call from any thread.

    A wrong factor counts as a failed attempt, is written in the audit trail, and raises
    `FactorInvalidError`. The caller spends a correct one in the same store operation that it
    authorises. *actor* is the id of a user who has logged in already.
    """

    def __init__(self, on: Foundations, box: SecretBox, passkeys: Passkeys) -> None:
        self._outbox = on.store.outbox
        self._box = box
        self._passkeys = passkeys
        self._challenges = on.challenges
        self._throttle = on.throttle
        self._notices = on.notices
        self._trail = on.trail
        self._clock = on.clock
        self._events = on.events

    def admit(self, user: User, client: Client) -> None:
        """Raise `RateLimitedError` if a limit of the account has been reached."""
        self._throttle.check_login(user.email_key, client.ip)

    def succeed(self, user: User, client: Client) -> None:
        """Clear the failed attempts once every factor is verified. Raises `RateLimitedError`."""
        self._throttle.count_success(user.email_key, client.ip)

    def check_code(
        self,
        holder: Holder,
        code: str,
        client: Client,
        *,
        takes_recovery_codes: bool,
        actor: str | None = None,
    ) -> Checked:
        """Check a code, which is an authenticator app's or a recovery code."""
        use = self._find_app(holder, code)
        if use is None and takes_recovery_codes:
            use = self._find_recovery_code(holder, code)
        if use is None:
            self.refuse(holder.user, client, actor=actor)
        return Checked(CODE_METHOD, use)

    def check_pending(self, user: User, factor: Factor, code: str, client: Client) -> int:
        """Check the code that confirms an app; return its time step."""
        step = self._step_of(factor, code)
        if step is None:
            self.refuse(user, client, actor=user.id)
        return step

    def check_passkey(
        self,
        holder: Holder,
        credential: Mapping[str, Any],
        client: Client,
        *,
        purpose: Purpose,
        of: str,
        actor: str | None = None,
    ) -> Checked:
        """Check one of the holder's passkeys; *of* is the session or log-in of its challenge."""
        user = holder.user
        presented = self.read(credential, user, client, actor=actor)
        spent = self._challenges.read_passkey(presented.challenge, purpose, user_id=user.id, of=of)
        owned = (each for each in holder.factors if each.credential_id == presented.credential_id)
        factor = next(owned, None)
        if factor is None:
            self.refuse(user, client, actor=actor)
        return self.check_signature(user, factor, presented, spent, client, actor=actor)

    def read(
        self,
        credential: Mapping[str, Any],
        user: User | None,
        client: Client,
        *,
        key: str = "",
        actor: str | None = None,
    ) -> Presented:
        """Parse what a browser sent; *key* counts failures if the user is not known yet."""
        try:
            return self._passkeys.read(credential)
        except PasskeyInvalidError:
            self.refuse(user, client, key=key, actor=actor)

    def check_signature(
        self,
        user: User,
        factor: Factor,
        presented: Presented,
        spent: SpentChallenge,
        client: Client,
        *,
        actor: str | None = None,
    ) -> Checked:
        """Check a passkey's signature and counter; a counter that went back suggests a clone."""
        try:
            asserted = self._passkeys.verify_assertion(presented, factor)
        except PasskeyInvalidError:
            self.refuse(user, client, actor=actor)
        has_counter = asserted.sign_count or factor.sign_count
        if has_counter and asserted.sign_count <= factor.sign_count:
            self._events.record("passkey_cloned", user_id=user.id)
            self._send(self._notices.cloned(user, factor.name))
            self.refuse(user, client, actor=actor)
        use = FactorUse(
            factor_id=factor.id,
            at=self._clock(),
            sign_count=asserted.sign_count,
            backed_up=asserted.backed_up,
            challenges=(spent,),
        )
        return Checked(method_of(factor), use)

    def refuse(
        self, user: User | None, client: Client, *, key: str = "", actor: str | None = None
    ) -> NoReturn:
        """Log and count a wrong factor. Raises `RateLimitedError` or `FactorInvalidError`."""
        user_id, account = (user.id, user.email_key) if user else (None, key)
        self._events.record("login_failed", user_id=user_id, reason="factor")
        self._trail.record_failed_login(
            account=account, actor=actor, subject=user_id, reason="factor"
        )
        if user is not None:
            self._send(self._notices.count_wrong_proof(user))
        self._throttle.count_failure(account, client.ip)
        raise FactorInvalidError

    def _send(self, messages: tuple[Message, ...]) -> None:
        if messages:
            self._outbox.add(messages)

    def _find_app(self, holder: Holder, code: str) -> FactorUse | None:
        for factor in holder.of_kind("totp"):
            step = self._step_of(factor, code)
            if step is not None:
                return FactorUse(factor_id=factor.id, at=self._clock(), step=step)
        return None

    def _step_of(self, factor: Factor, code: str) -> int | None:
        digits = totp.parse_code(code)
        secret = self._secret_of(factor) if digits else None
        if digits is None or secret is None:
            return None
        return totp.find_step(secret.decode(), digits, now=self._clock(), after=factor.last_step)

    def _find_recovery_code(self, holder: Holder, code: str) -> FactorUse | None:
        letters = recovery_codes.parse_code(code)
        for factor in holder.of_kind("recovery_code") if letters else ():
            key = self._secret_of(factor)
            hashed = recovery_codes.hash_code(key, letters or "") if key else None
            if hashed in holder.code_hashes:
                return FactorUse(factor_id=factor.id, at=self._clock(), code_hash=hashed)
        return None

    def _secret_of(self, factor: Factor) -> bytes | None:
        try:
            return self._box.decrypt(factor.secret or "", owner_of(factor))
        except UndecryptableError:
            self._events.record("factor_undecryptable", user_id=factor.user_id)
            return None


def owner_of(factor: Factor) -> str:
    """Return the context that a factor's secret is bound to when it is encrypted."""
    return f"{factor.kind} {factor.user_id} {factor.id}"
