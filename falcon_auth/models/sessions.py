"""Sessions, and who opens and uses them."""

from __future__ import annotations

from dataclasses import dataclass, field

from falcon_auth.models.factors import FactorUse, SpentChallenge
from falcon_auth.models.methods import PASSWORD_METHOD, SEVERAL_FACTORS
from falcon_auth.models.users import User


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


@dataclass(frozen=True, slots=True)
class IdentityUse:
    """A log-in by an identity: when it took place, and the one-time code that it spends."""

    identity_id: str
    at: float
    code: SpentChallenge


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
