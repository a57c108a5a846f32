"""Step-up authentication (RFC 9470): authenticate again within the current session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from falcon_auth.errors import NotFoundError, RevokedTokenError
from falcon_auth.factors.check import Checked, FactorCheck
from falcon_auth.factors.foundations import Foundations
from falcon_auth.factors.passkeys import Passkeys
from falcon_auth.models import PASSWORD_METHOD, SEVERAL_FACTORS, Caller, Client, FactorUse
from falcon_auth.passwords import Abandoned
from falcon_auth.sessions.tokens import AccessToken
from falcon_auth.store import Holder


class Confirmation:
    """The use cases of confirming one's identity. Safe to call from any thread.

    Each method returns a new access token of the same session, with the current time as its
    `auth_time`, and raises `RevokedTokenError` if the session has ended in the meantime.
    """

    def __init__(self, on: Foundations, check: FactorCheck, passkeys: Passkeys) -> None:
        self._store = on.store.factors
        self._sessions = on.sessions
        self._challenges = on.challenges
        self._passwords = on.passwords
        self._check = check
        self._passkeys = passkeys
        self._clock = on.clock
        self._events = on.events

    def options(self, caller: Caller) -> dict[str, Any]:
        """Return the WebAuthn request options for the caller's passkeys.

        Raises `NotFoundError` if the caller has none.
        """
        passkeys = self._holder(caller).of_kind("passkey")
        if not passkeys:
            raise NotFoundError
        challenge = self._challenges.for_passkey(
            "confirm", user_id=caller.user_id, of=caller.session_id
        )
        return self._passkeys.request_options(challenge, passkeys)

    def confirm_by_password(
        self, caller: Caller, password: str, client: Client, abandoned: Abandoned | None = None
    ) -> AccessToken:
        """Confirm with the password.

        Raises `SecondFactorRequiredError` if it is correct and the user has a factor; otherwise
        what `PasswordCheck.compare` raises.
        """
        user = caller.user
        self._passwords.admit(user.email_key, client)
        login = self._passwords.compare(
            user, user.email_key, password, client, abandoned, actor=user.id
        )
        if not login.is_complete:
            raise self._challenges.demand(login)
        return self._confirm(caller, (PASSWORD_METHOD,), None)

    def confirm_by_code(self, caller: Caller, code: str, client: Client) -> AccessToken:
        """Confirm with an authenticator app. Raises `FactorInvalidError`, `RateLimitedError`."""
        holder = self._admit(caller, client)
        checked = self._check.check_code(
            holder, code, client, takes_recovery_codes=False, actor=caller.user_id
        )
        return self._finish(caller, checked, client)

    def confirm_by_passkey(
        self, caller: Caller, credential: Mapping[str, Any], client: Client
    ) -> AccessToken:
        """Confirm with a passkey. Raises `FactorInvalidError`, `RateLimitedError`."""
        holder = self._admit(caller, client)
        checked = self._check.check_passkey(
            holder,
            credential,
            client,
            purpose="confirm",
            of=caller.session_id,
            actor=caller.user_id,
        )
        return self._finish(caller, checked, client)

    def _admit(self, caller: Caller, client: Client) -> Holder:
        self._check.admit(caller.user, client)
        self._challenges.count_session_guess(caller.session_id)
        return self._holder(caller)

    def _holder(self, caller: Caller) -> Holder:
        holder = self._store.find_holder(caller.user_id)
        if holder is None:  # pragma: no cover - deleted since the guard looked: only a race
            raise RevokedTokenError
        return holder

    def _finish(self, caller: Caller, checked: Checked, client: Client) -> AccessToken:
        self._check.succeed(caller.user, client)
        return self._confirm(caller, (checked.method, SEVERAL_FACTORS), checked.use)

    def _confirm(
        self, caller: Caller, methods: tuple[str, ...], use: FactorUse | None
    ) -> AccessToken:
        session = self._store.confirm(
            caller.session_id,
            auth_time=self._clock(),
            amr=joined(caller.amr, methods),
            use=use,
        )
        if session is None:  # pragma: no cover - ended since the guard looked: only a race
            raise RevokedTokenError
        self._events.record(
            "session_confirmed", user_id=caller.user_id, session_id=caller.session_id
        )
        return self._sessions.issue_access(caller.user, session)


def joined(known: tuple[str, ...], added: tuple[str, ...]) -> tuple[str, ...]:
    """Return the methods of both without duplicates, `mfa` last."""
    methods = dict.fromkeys([*known, *added])
    return tuple(sorted(methods, key=SEVERAL_FACTORS.__eq__))
