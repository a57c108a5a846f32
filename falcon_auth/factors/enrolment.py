"""Add, confirm, list and remove factors, and create recovery codes."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from falcon_auth.errors import (
    FactorInvalidError,
    InvalidBodyError,
    NotFoundError,
    RevokedTokenError,
    Violation,
)
from falcon_auth.factors import recovery_codes, totp
from falcon_auth.factors.check import FactorCheck, owner_of
from falcon_auth.factors.confirmation import joined
from falcon_auth.factors.encryption import SecretBox
from falcon_auth.factors.foundations import Foundations
from falcon_auth.factors.passkey_data import PasskeyInvalidError
from falcon_auth.factors.passkeys import Passkeys, method_of
from falcon_auth.models import (
    CODE_METHOD,
    SEVERAL_FACTORS,
    Caller,
    Client,
    Factor,
    FactorKind,
    RecoveryCodes,
    SpentChallenge,
    User,
)
from falcon_auth.store import Activation, Holder

MAX_FACTORS = 20  # Per user: more than anybody's devices, and a bound for the table.
MAX_NAME_LENGTH = 64
CODES_NAME = "recovery codes"


@dataclass(frozen=True, slots=True)
class NewApp:
    """An authenticator app to be confirmed: its secret, as text, as a URI and as a QR code."""

    id: str
    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Added:
    """A factor that is active now, and recovery codes if the user had none before."""

    factor: Factor
    codes: list[str] | None = field(repr=False)


class Enrolment:
    """The use cases around a user's own factors. Safe to call from any thread.

    *issuer_name* is the service's name in apps and browsers; *must_keep_one* returns whether a user
    has to keep the last factor.
    """

    def __init__(
        self,
        on: Foundations,
        check: FactorCheck,
        box: SecretBox,
        passkeys: Passkeys,
        *,
        issuer_name: str,
        must_keep_one: Callable[[User], bool] = lambda _user: False,
    ) -> None:
        self._store = on.store.factors
        self._challenges = on.challenges
        self._check = check
        self._box = box
        self._passkeys = passkeys
        self._notices = on.notices
        self._issuer_name = issuer_name
        self._clock = on.clock
        self._events = on.events
        self._must_keep_one = must_keep_one

    def overview(self, caller: Caller) -> Holder:
        """Return the caller with their factors."""
        return self._holder(caller)

    def violations(self, *, name: str | None) -> list[Violation]:
        """Return the violations in a factor's name; None stands for a missing member."""
        if name is None:
            return []
        if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name.isspace():
            detail = f"A name has 1 to {MAX_NAME_LENGTH} printable characters."
            return [Violation("/name", InvalidBodyError.code, detail)]
        return []

    def add_app(self, caller: Caller, name: str) -> NewApp:
        """Create the secret of an authenticator app, which is active once a code confirms it.

        It replaces any app that was not confirmed. Raises `InvalidBodyError`.
        """
        self._check_name(name)
        secret = totp.make_secret()
        factor = self._new(caller, "totp", name)
        factor = replace(factor, secret=self._box.encrypt(secret.encode(), owner_of(factor)))
        if not self._store.add_pending(factor, limit=MAX_FACTORS):
            raise _too_many()
        uri = totp.make_uri(secret, account=caller.email, issuer=self._issuer_name)
        return NewApp(factor.id, secret, uri, totp.draw_qr(uri))

    def confirm_app(self, caller: Caller, factor_id: str, code: str, client: Client) -> Added:
        """Activate an app by one of its codes, which is spent.

        Raises `NotFoundError` unless the app is waiting for confirmation, `FactorInvalidError`,
        `RateLimitedError`.
        """
        holder = self._holder(caller)
        waiting = (each for each in holder.factors if each.id == factor_id)
        factor = next(waiting, None)
        if factor is None or factor.confirmed_at is not None:
            raise NotFoundError
        self._check.admit(caller.user, client)
        self._challenges.count_session_guess(caller.session_id)
        step = self._check.check_pending(caller.user, factor, code, client)
        confirmed = replace(factor, last_step=step, confirmed_at=self._clock())
        return self._activate(caller, holder, confirmed, CODE_METHOD)

    def passkey_options(self, caller: Caller) -> dict[str, Any]:
        """Return the WebAuthn creation options for a new passkey."""
        holder = self._holder(caller)
        challenge = self._challenges.for_passkey(
            "register", user_id=caller.user_id, of=caller.session_id
        )
        return self._passkeys.creation_options(caller.user, challenge, holder.of_kind("passkey"))

    def add_passkey(
        self, caller: Caller, name: str, credential: Mapping[str, Any], client: Client
    ) -> Added:
        """Add a passkey that a browser created with these options.

        Raises `InvalidBodyError`, `FactorInvalidError`, `InvalidTokenError`, `ExpiredTokenError`.
        """
        self._check_name(name)
        holder = self._holder(caller)
        self._check.admit(caller.user, client)
        presented = self._check.read(credential, caller.user, client, actor=caller.user_id)
        spent = self._challenges.read_passkey(
            presented.challenge, "register", user_id=caller.user_id, of=caller.session_id
        )
        try:
            registered = self._passkeys.verify_registration(presented)
        except PasskeyInvalidError:
            self._check.refuse(caller.user, client, actor=caller.user_id)
        factor = replace(
            self._new(caller, "passkey", name),
            confirmed_at=self._clock(),
            credential_id=registered.credential_id,
            public_key=registered.public_key,
            sign_count=registered.sign_count,
            backup_eligible=registered.backup_eligible,
            backed_up=registered.backed_up,
            transports=registered.transports,
        )
        return self._activate(caller, holder, factor, method_of(factor), spent)

    def remove(self, caller: Caller, factor_id: str) -> None:
        """Remove one of the caller's factors.

        Raises `NotFoundError`, `FactorRequiredError`, `LastWayInError`.
        """
        owned = {each.id: each for each in self._holder(caller).factors}
        if factor_id not in owned:
            raise NotFoundError
        removed = self._store.remove(
            caller.user_id,
            factor_id,
            keep_last=self._must_keep_one(caller.user),
            now=self._clock(),
            effects=self._notices.removed(
                caller.user, owned[factor_id].name, owned[factor_id].kind
            ),
        )
        if removed is None:  # pragma: no cover - removed in between, which only a race reaches
            raise NotFoundError
        if removed.confirmed_at is not None:
            self._events.record("factor_removed", user_id=caller.user_id)

    def replace_codes(self, caller: Caller) -> list[str]:
        """Replace the recovery codes; the old ones become invalid.

        Raises `NotFoundError` if the caller has no factor, or if factors changed in the meantime.
        """
        codes, kept = self._make_codes(caller)
        if not self._store.replace_codes(caller.user, kept, now=self._clock()):
            raise NotFoundError("Recovery codes need a second factor; add one first.")
        self._events.record("recovery_codes_replaced", user_id=caller.user_id)
        return codes

    def _activate(
        self,
        caller: Caller,
        holder: Holder,
        factor: Factor,
        method: str,
        spent: SpentChallenge | None = None,
    ) -> Added:
        if holder.user.factor_count >= MAX_FACTORS:
            raise _too_many()
        codes, kept = self._make_codes(caller)
        has_codes = bool(holder.of_kind("recovery_code"))
        session = replace(caller.session, amr=joined(caller.amr, (method, SEVERAL_FACTORS)))
        change = self._store.activate(
            Activation(holder.user, factor, session, self._clock(), kept, spent),
            limit=MAX_FACTORS,
            effects=self._notices.added(caller.user, factor.name, factor.kind),
        )
        if change is None:
            raise FactorInvalidError
        self._events.record("factor_added", user_id=caller.user_id)
        self._events.record(
            "sessions_ended", count=change.ended, user_id=caller.user_id, reason="factor"
        )
        return Added(factor, None if has_codes else codes)

    def _make_codes(self, caller: Caller) -> tuple[list[str], RecoveryCodes]:
        codes, key = recovery_codes.make_codes(), secrets.token_bytes(recovery_codes.KEY_BYTES)
        factor = replace(self._new(caller, "recovery_code", CODES_NAME), confirmed_at=self._clock())
        factor = replace(factor, secret=self._box.encrypt(key, owner_of(factor)))
        parsed = [recovery_codes.parse_code(code) or "" for code in codes]
        hashes = tuple(recovery_codes.hash_code(key, each) for each in parsed)
        return codes, RecoveryCodes(factor=factor, hashes=hashes)

    def _new(self, caller: Caller, kind: FactorKind, name: str) -> Factor:
        return Factor(
            id=str(uuid.uuid4()),
            user_id=caller.user_id,
            kind=kind,
            name=name,
            created_at=self._clock(),
        )

    def _holder(self, caller: Caller) -> Holder:
        holder = self._store.find_holder(caller.user_id)
        if holder is None:  # pragma: no cover - deleted since the guard looked: only a race
            raise RevokedTokenError
        return holder

    def _check_name(self, name: str) -> None:
        if found := self.violations(name=name):
            raise InvalidBodyError(found)


def _too_many() -> InvalidBodyError:
    detail = f"You have {MAX_FACTORS} factors already; remove one first."
    return InvalidBodyError([Violation("/name", InvalidBodyError.code, detail)])
