"""The hash chain of the audit trail: what an event's digest covers, and how the chain is read.

The digest of an event is SHA-256 over its position, the digest of the event before it, its members,
and a commitment to the client: SHA-256 over a random salt, the address and the browser. Deleting
a user blanks address, browser and salt, and keeps the commitment, which tells nothing without its
salt: so that the digest stays valid.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from falcon_auth.models import AuditEvent

SALT_BYTES = 16
START = b""  # In the place of a digest, where no event is before.
_VERSION = "falcon-auth audit chain 1"  # Whatever changes the encoding changes this too.


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An event's place in the chain."""

    position: int  # 1, 2, 3 and so on, in the order in which transactions were committed.
    previous: bytes  # The digest of the event before it.
    digest: bytes
    salt: bytes | None  # Of the commitment; None once a deletion blanked the client.
    client: bytes  # The commitment to the address and browser.


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The end of the chain, kept apart from the events, so that a missing end is noticed."""

    position: int = 0  # That of the newest event; 0 if there has been none.
    digest: bytes = START
    swept_to: int = 0  # The position of the newest event that retention has deleted.


class AuditChain(Protocol):
    """Reads the chain. Both raise `StoreUnavailableError` if the store does not answer."""

    def read_head(self) -> ChainHead:
        """Return the end of the chain."""

    def list_linked(self, *, after: int, limit: int) -> Sequence[tuple[AuditEvent, Link]]:
        """Return up to *limit* events of the chain beyond that position, in its order."""

    def list_ids(self, *, after: str, limit: int) -> Sequence[tuple[str, bool]]:
        """Return up to *limit* ids of events newer than that id, and whether each is linked."""


def link(event: AuditEvent, head: ChainHead, salt: bytes) -> Link:
    """Return the link that appends *event*; *salt* is random, of `SALT_BYTES`."""
    position, client = head.position + 1, commit_to_client(event, salt)
    return Link(
        position=position,
        previous=head.digest,
        digest=digest_of(event, position, head.digest, client),
        salt=salt,
        client=client,
    )


def commit_to_client(event: AuditEvent, salt: bytes) -> bytes:
    """Return the commitment to the event's address and browser."""
    return sha256(salt + _encode([event.ip, event.user_agent])).digest()


def digest_of(event: AuditEvent, position: int, previous: bytes, client: bytes) -> bytes:
    """Return the digest of an event at that place of the chain."""
    members = [
        _VERSION,
        position,
        previous.hex(),
        event.id,
        float(event.at),
        event.event,
        event.outcome,
        event.actor,
        event.subject,
        event.request_id,
        dict(event.details),
        client.hex(),
    ]
    return sha256(_encode(members)).digest()


def _encode(value: object) -> bytes:
    """Encode as JSON in one way only: ASCII, members sorted, no spaces, the shortest numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
