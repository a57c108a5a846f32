"""What is said of passkeys before and after a ceremony, without the library that verifies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks for passkeys: its id, a domain; its name for people; the origins of its pages."""

    id: str
    name: str
    origins: tuple[str, ...]


class PasskeyInvalidError(Exception):
    """What a browser sent is not a proof. `reason` is a word for the log, nothing of a client's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Presented:
    """What a client sent, as far as it can be read without trusting it."""

    credential: Mapping[str, Any] = field(repr=False)  # Known members only, all of them texts.
    credential_id: str
    challenge: bytes = field(repr=False)
    user_id: str | None  # By the user handle, where there is one.


@dataclass(frozen=True, slots=True)
class Registered:
    """A passkey whose registration was verified. Id and COSE key are base64url."""

    credential_id: str
    public_key: str = field(repr=False)
    sign_count: int
    backup_eligible: bool
    backed_up: bool
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asserted:
    """A passkey whose signature was verified, with the counter and the flag that it signed."""

    sign_count: int
    backed_up: bool
