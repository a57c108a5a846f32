"""The values around WebAuthn ceremonies; importing them does not load the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The relying party (WebAuthn): its id, which is a domain, its name, and its pages' origins."""

    id: str
    name: str
    origins: tuple[str, ...]


class PasskeyInvalidError(Exception):
    """What a browser sent is not valid. `reason` is a fixed word for the log, not client data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Presented:
    """What a client sent: parsed, but not verified."""

    credential: Mapping[str, Any] = field(repr=False)  # Known members only, all of them strings.
    credential_id: str
    challenge: bytes = field(repr=False)
    user_id: str | None  # From the user handle, if there is one.


@dataclass(frozen=True, slots=True)
class Registered:
    """A passkey whose registration was verified. Its id and COSE key are in base64url."""

    credential_id: str
    public_key: str = field(repr=False)
    sign_count: int
    backup_eligible: bool
    backed_up: bool
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asserted:
    """A passkey whose signature was verified, with the counter and the backup flag it signed."""

    sign_count: int
    backed_up: bool
