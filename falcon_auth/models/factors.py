"""Second factors, recovery codes, and what spends them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

FactorKind = Literal["totp", "passkey", "recovery_code"]


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
