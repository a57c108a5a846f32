"""The two records that the service keeps. Both are frozen values, safe to share.

Times are epoch seconds in UTC, as `time.time()` gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account."""

    id: str  # A UUID: nothing to guess, no counter to share.
    email: str  # As registered, its domain in lower case.
    email_key: str = field(repr=False)  # What uniqueness and look-up go by.
    username: str | None
    password_hash: str = field(repr=False)
    password_version: int = 0  # Counts changes of the password, not of its hash.
    is_active: bool = True
    created_at: float
    updated_at: float
    last_login_at: float | None = None

    @property
    def username_key(self) -> str | None:
        """The name in lower case: names are ASCII and unique without regard to case."""
        return None if self.username is None else self.username.lower()


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
    user_agent: str | None = None
    ip: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """A user whose password was right a moment ago.

    `upgraded_hash` is the same password's hash at today's cost, where the stored one is older.
    """

    user: User
    upgraded_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends a request, as far as the connection tells."""

    ip: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a verified access token speaks for; guarded resources find it in `req.context.caller`."""

    user: User
    session: Session

    # What the claims of a token have too: a guarded resource runs here and beside a verifier.

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
