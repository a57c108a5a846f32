"""The records that the service keeps. All are frozen values, safe to share.

Times are epoch seconds in UTC, as `time.time()` gives them.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

RANDOM_BITS = 74  # What version, variant and the 48 bits of milliseconds leave of an id.


def time_ordered_id(now: float, random: int | None = None) -> str:
    """Return a new id that sorts after those of earlier milliseconds; *now* is in epoch seconds.

    It is a UUID of version 7 (RFC 9562, 5.7). *random* are its `RANDOM_BITS`, drawn where they are
    not given.
    """
    random = secrets.randbits(RANDOM_BITS) if random is None else random
    high, low = random >> 62, random & (1 << 62) - 1
    milliseconds = int(now * 1000) & (1 << 48) - 1
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low))


# Replaces the hash of a user who has no password until a reset or an invitation sets one.
NO_PASSWORD = "!"  # noqa: S105 - no hash of any kind begins so
# Authentication method references (RFC 8176).
PASSWORD_METHOD = "pwd"  # noqa: S105 - RFC 8176's word
CODE_METHOD = "otp"
DEVICE_BOUND_METHOD = "hwk"  # A passkey that cannot leave its device.
SYNCED_METHOD = "swk"  # One that can.
PROVIDER_METHOD = "fed"  # A log-in by others.
SEVERAL_FACTORS = "mfa"

FactorKind = Literal["totp", "passkey", "recovery_code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account."""

    id: str  # A UUID: nothing to guess, no counter to share.
    email: str  # As registered, its domain in lower case.
    email_key: str = field(repr=False)  # The normal form, for uniqueness and look-ups.
    username: str | None
    password_hash: str = field(repr=False)
    password_version: int = 0  # Incremented with the password, not with an upgrade of its hash.
    email_version: int = 0  # Incremented with the address, and with its verification.
    email_verified: bool = False
    factor_count: int = (
        0  # Active second factors; stored here so that requests need not look them up.
    )
    factors_version: int = 0  # Incremented with the factors and the recovery codes.
    is_active: bool = True
    roles: tuple[str, ...] = ()  # The names of the user's roles, sorted.
    scopes: frozenset[str] = frozenset()  # What these roles allow, as they are defined now.
    created_at: float
    updated_at: float
    last_login_at: float | None = None

    @property
    def has_password(self) -> bool:
        """Whether there is a password to log in with."""
        return self.password_hash != NO_PASSWORD

    @property
    def has_roles(self) -> bool:
        """Whether the user has any role."""
        return bool(self.roles)

    @property
    def username_key(self) -> str | None:
        """The name in lower case: names are ASCII and unique without regard to case."""
        return None if self.username is None else self.username.lower()


@dataclass(frozen=True, slots=True)
class Role:
    """A name for scopes that are granted together."""

    name: str
    scopes: tuple[str, ...]  # Sorted.


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One log-in on one device, and the chain of refresh tokens that it issues.

    Only the refresh token of the current `generation` is unspent.
    """

    id: str
    user_id: str
    generation: int = 0
    created_at: float
    last_used_at: float  # When the current generation was issued.
    expires_at: float  # When its refresh token expires.
    ended_at: float | None = None
    auth_time: float = 0.0  # When the user last proved who they are.
    amr: tuple[str, ...] = ()  # How: authentication method references (RFC 8176).
    user_agent: str | None = None
    ip: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A second factor of one user: an authenticator app, a passkey, or a set of recovery codes.

    A set of recovery codes stands in for a factor, and is not counted as one. Keys and ids of
    passkeys are base64url without padding.
    """

    id: str
    user_id: str
    kind: FactorKind
    name: str
    created_at: float
    confirmed_at: float | None = None  # None: pending, an app that no code has confirmed yet.
    last_used_at: float | None = None
    # Encrypted: an app's secret, or the key with which the recovery codes are hashed.
    secret: str | None = field(default=None, repr=False)
    last_step: int = 0  # The time step of the app's last code: it and all earlier ones are spent.
    credential_id: str | None = None
    public_key: str | None = None  # A COSE key (RFC 9052, 7).
    sign_count: int = 0
    backup_eligible: bool = False  # Whether the passkey may leave its device.
    backed_up: bool = False
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodes:
    """A new set of recovery codes: keyed hashes, and the factor that holds their key."""

    factor: Factor
    hashes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SpentChallenge:
    """A challenge that was used; it must be kept until it expires (epoch seconds)."""

    id: str
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorUse:
    """A use of a factor that has just been verified, to be spent so that it works only once.

    Depending on the kind of factor, one of `step`, `code_hash` and `sign_count` is set.
    """

    factor_id: str
    at: float
    step: int | None = None
    code_hash: str | None = field(default=None, repr=False)
    sign_count: int | None = None
    backed_up: bool = False
    challenges: tuple[SpentChallenge, ...] = ()

    def also_spending(self, challenge: SpentChallenge) -> FactorUse:
        """Return a copy that also spends another challenge."""
        return replace(self, challenges=(*self.challenges, challenge))


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user's account at a provider. It is known by issuer and subject, never by the address."""

    id: str
    user_id: str
    provider: str  # The provider's name in PROVIDERS_FILE.
    issuer: str
    subject: str = field(repr=False)
    email: str | None = field(repr=False)  # As the provider stated it when the identity was new.
    created_at: float
    last_used_at: float | None = None


@dataclass(frozen=True, slots=True)
class IdentityUse:
    """A log-in by an identity: when it took place, and the one-time code that it spends."""

    identity_id: str
    at: float
    code: SpentChallenge


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that happened to the security of an account or of the service."""

    id: str  # A UUID of version 7: ordered by time.
    at: float
    event: str  # A word of the catalogue, such as `password.changed`.
    outcome: Literal["success", "failure"] = "success"
    actor: str | None = None  # A user's id, `command`, `service:NAME`, or nobody known.
    subject: str | None = None  # The id of the user it happened to.
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    details: Mapping[str, str | int | bool | None] = field(default_factory=dict)  # No secret.


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A refused attempt, as an audit event that is kept only within what its two keys may have.

    *account* stands for the account that was tried, also one that does not exist, and *client* for
    who tried: a bucket of addresses. What exceeds the share of either is counted instead.
    """

    event: AuditEvent
    account: str
    client: str
    hour: int  # Hours since the epoch.


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCount:
    """How many failures of one kind, account or client, and hour were not kept one by one."""

    event: str
    hour: int  # Hours since the epoch.
    subject: str | None  # The user who was tried, where the account's share was used up.
    ip: str | None  # The client, where the client's share was.
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something to be delivered: a mail, the call of a webhook, or an enquiry.

    An enquiry is a request for a mail to a user who has not been looked up yet. A message contains
    the data for the text but never a token: tokens are signed when it is sent.
    """

    id: str  # A UUID of version 7, by which receivers recognise duplicates.
    channel: Literal["mail", "webhook", "enquiry"]
    topic: str  # The mail's template, or the event's type.
    user_id: str | None  # Messages of one user are delivered in order.
    payload: Mapping[str, str | int | bool | None]
    created_at: float
    due_at: float  # When the next attempt is due.
    attempts: int = 0
    failed_at: float | None = None  # When it was given up.
    error: str | None = None  # Why the last attempt failed: a fixed phrase, not a server's text.


@dataclass(frozen=True, slots=True)
class Effects:
    """What a change writes in its own transaction: audit events and messages."""

    events: tuple[AuditEvent, ...] = ()
    messages: tuple[Message, ...] = ()
    failures: tuple[Failure, ...] = ()


NO_EFFECTS = Effects()


@dataclass(frozen=True, slots=True)
class Login:
    """A user who has just authenticated by `methods` (RFC 8176).

    `upgraded_hash` is the password's hash at today's cost, where the stored one is older; `use` is
    the second factor that was given, which opening the session spends, as it spends the one-time
    code of `identity` where a provider vouched for the user.
    """

    user: User
    upgraded_hash: str | None = field(default=None, repr=False)
    methods: tuple[str, ...] = (PASSWORD_METHOD,)
    use: FactorUse | None = None
    identity: IdentityUse | None = None

    @property
    def is_complete(self) -> bool:
        """Whether no further factor is required."""
        return not self.user.factor_count or SEVERAL_FACTORS in self.methods


@dataclass(frozen=True, slots=True)
class Client:
    """The client of a request, as known from the connection and header fields."""

    ip: str | None = None
    user_agent: str | None = None
    language: str | None = None  # The first tag of Accept-Language, as it was sent.


@dataclass(frozen=True, slots=True)
class Caller:
    """The user and session of a verified access token, found in `req.context.caller`."""

    user: User
    session: Session

    # Like the claims of a token, so that a guarded resource works here and with a verifier.

    @property
    def scopes(self) -> frozenset[str]:
        """What the user may do (RFC 6749, 3.3); `admin` stands for every scope."""
        return self.user.scopes

    @property
    def email(self) -> str:
        """The user's e-mail address."""
        return self.user.email

    @property
    def user_id(self) -> str:
        """The user's id."""
        return self.user.id

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.session.id

    @property
    def auth_time(self) -> float:
        """When the user last authenticated in this session."""
        return self.session.auth_time

    @property
    def amr(self) -> tuple[str, ...]:
        """The authentication methods of this session (RFC 8176)."""
        return self.session.amr

    @property
    def has_factors(self) -> bool:
        """Whether the user has a second factor."""
        return self.user.factor_count > 0
