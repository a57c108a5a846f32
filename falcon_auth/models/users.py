"""Users, their roles, and their identities at providers."""

from __future__ import annotations

from dataclasses import dataclass, field

# Replaces the hash of a user who has no password until a reset or an invitation sets one.
NO_PASSWORD = "!"  # noqa: S105 - no hash of any kind begins so


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
    # Active second factors; stored here so that requests need not look them up.
    factor_count: int = 0
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
