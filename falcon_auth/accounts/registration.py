"""Registration: create a user and open their first session."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial

from falcon_auth.accounts.email_addresses import EmailAddress
from falcon_auth.accounts.mail_limits import MailLimits
from falcon_auth.accounts.parts import Parts
from falcon_auth.accounts.rules import NewAccount
from falcon_auth.delivery.mails import Mails
from falcon_auth.errors import DuplicateEmailError, RegistrationClosedError, Violation
from falcon_auth.models import NO_EFFECTS, Client, Effects, Message, User
from falcon_auth.passwords import Abandoned
from falcon_auth.sessions.tokens import TokenPair
from falcon_auth.store import Addition


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How a new address is confirmed: by a mail; *required* means before the first log-in."""

    mails: Mails
    limits: MailLimits
    required: bool


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    """Whether registration is open, and how addresses are confirmed; None: they are not."""

    is_open: bool = True
    confirmation: Confirmation | None = None


class Registration:
    """The use case of registering. Safe to call from any thread."""

    def __init__(self, on: Parts, policy: RegistrationPolicy) -> None:
        self._is_open = policy.is_open
        self._confirmation = policy.confirmation
        self._users = on.store.users
        self._sessions = on.sessions
        self._passwords = on.passwords
        self._rules = on.rules
        self._throttle = on.throttle
        self._trail = on.trail
        self._clock = on.clock
        self._events = on.events

    def violations(
        self, *, email: str | None, password: str | None, username: str | None
    ) -> list[Violation]:
        """Return the violations that `register` would raise; None stands for a missing member.

        Raises `RegistrationClosedError`.
        """
        self._check_open()
        return self._rules.registration_violations(
            email=email, password=password, username=username
        )

    def register(
        self,
        *,
        email: str,
        password: str,
        username: str | None,
        client: Client,
        abandoned: Abandoned | None = None,
    ) -> TokenPair | None:
        """Create a user and open their first session; None if the address must be confirmed first.

        In that case response and timing do not reveal whether the address or the name is taken:
        the owner of a taken address is notified by mail, and a user who asked for a taken name
        starts without one.

        Raises `InvalidBodyError` with every violation of the rules, `RegistrationClosedError`,
        `RateLimitedError`, `OverloadedError`; with a session, `DuplicateEmailError` and
        `DuplicateUsernameError` as well.
        """
        self._check_open()
        account = self._rules.check_registration(email=email, password=password, username=username)
        self._throttle.count_registration(client.ip)
        if self._confirmation is not None and self._confirmation.required:
            self._register_quietly(self._confirmation, account, client, abandoned)
            return None
        # Spares the hash; `add` decides.
        if self._users.find_by_email(account.email.key) is not None:
            raise DuplicateEmailError
        password_hash = self._passwords.hash(account.password, client=client, abandoned=abandoned)
        user = new_user(account.email, account.username, password_hash, now=self._clock())
        session = self._sessions.begin(user.id, client)
        effects = self._registered(user, self._welcome(user, client))
        self._users.add(user, session, effects=effects)
        self._throttle.remember_client(user.email_key, client.ip)
        self._events.record("user_registered", user_id=user.id)
        return self._sessions.issue(user, session)

    def _check_open(self) -> None:
        if not self._is_open:
            raise RegistrationClosedError

    def _registered(self, user: User, mail: tuple[Message, ...]) -> Effects:
        return self._trail.effects("user.registered", actor=user.id, subject=user.id, messages=mail)

    def _welcome(self, user: User, client: Client) -> tuple[Message, ...]:
        """Return the mail that asks a new user to confirm the address, if there is to be one."""
        confirmation = self._confirmation
        if confirmation is None or not confirmation.limits.take_share(user.email_key):
            return ()
        return confirmation.mails.message(
            "verification", user, language=client.language, ip=client.ip
        )

    def _register_quietly(
        self,
        confirmation: Confirmation,
        account: NewAccount,
        client: Client,
        abandoned: Abandoned | None,
    ) -> None:
        """Create a user, or notify the owner of the address; both cost the same work."""
        owner = self._users.find_by_email(account.email.key)
        password_hash = self._passwords.hash(account.password, abandoned=abandoned)
        user = new_user(account.email, account.username, password_hash, now=self._clock())
        mail = partial(confirmation.mails.message, language=client.language, ip=client.ip)
        may_mail = confirmation.limits.take_share(user.email_key)
        effects: dict[Addition, Effects] = {
            "added": self._registered(user, mail("verification", user) if may_mail else ()),
            "unnamed": self._registered(
                user,
                mail("username_taken", user, username=account.username or "") if may_mail else (),
            ),
            "taken": NO_EFFECTS,
        }
        if may_mail and owner is not None:  # Else a concurrent request has just registered it.
            # An event here too, so that a taken address costs the same statements.
            effects["taken"] = self._trail.effects(
                "user.registered",
                actor=None,
                subject=owner.id,
                outcome="failure",
                messages=mail("registration_attempt", owner),
            )
        if self._users.add_quietly(user, effects=effects) == "taken":
            self._events.record("registration_of_taken", user_id=owner.id if owner else None)
        else:
            self._events.record("user_registered", user_id=user.id)


def new_user(email: EmailAddress, username: str | None, password_hash: str, *, now: float) -> User:
    """Return the record of a new user; the caller stores it."""
    return User(
        id=str(uuid.uuid4()),
        email=email.text,
        email_key=email.key,
        username=username,
        password_hash=password_hash,
        created_at=now,
        updated_at=now,
    )
