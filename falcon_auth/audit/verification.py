"""Verify the hash chain of the audit trail: find events that were changed, moved, added or removed.

Events are read in pages while others are written: what is appended or deleted by retention in the
meantime is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from falcon_auth.models import AuditEvent, time_ordered_id
from falcon_auth.store.audit_chain import (
    AuditChain,
    ChainHead,
    Link,
    commit_to_client,
    digest_of,
)

PAGE = 500  # Events read at a time.

CHANGED = "was changed, or moved from its place"
CLIENT_CHANGED = "has another client address or browser than it was written with"
UNLINKED = "does not follow the event before it"
BEFORE_START = "has a position that retention has deleted: it was inserted"
BEYOND_END = "is beyond the end of the chain: it was inserted"
OTHER_END = "is the newest, and differs from what the end of the chain records"
NO_LINK = "is not in the chain: it was inserted, or AUDIT_CHAIN was off"

# SQLite keeps any value in any column: a text for a number, say.
_UNREADABLE = (AttributeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written: *where* names the event or the positions."""

    where: str
    what: str


class Verification:
    """One pass over the chain. For one thread.

    `find` has to be read to its end; the counts are right then. `head` is the end of the chain;
    whoever notes it elsewhere can tell later whether the chain up to there was written anew.
    """

    def __init__(self, chain: AuditChain) -> None:
        self._chain = chain
        self.first: AuditEvent | None = None  # The oldest event of the chain that is kept.
        self.count = 0
        self.blanked = 0  # Events whose clients went with a deleted user.
        self.head = ChainHead()

    def find(self, *, accept_before: float | None = None) -> Iterator[Finding]:
        """Find what is wrong with the chain, and which events are outside of it.

        Those older than its first event are not meant, nor those before *accept_before* (epoch
        seconds). Raises `StoreUnavailableError`.
        """
        yield from self._find_in_chain()
        if self.first is not None:
            start = max(self.first.id, time_ordered_id(accept_before or 0, 0))
            yield from self._find_outside(start)

    def _find_in_chain(self) -> Iterator[Finding]:
        last = ChainHead()
        while True:
            self.head = self._chain.read_head()  # First, so that it counts nothing yet unread.
            page = self._chain.list_linked(after=last.position, limit=PAGE)
            if not page:
                break
            for event, link in page:
                yield from self._check(event, link, last)
                last = ChainHead(position=link.position, digest=link.digest)
        if last.position < self.head.position:
            yield from self._report_gap(last.position, self.head.position)
        elif last.position == self.head.position and last.digest != self.head.digest:
            yield Finding(f"position {last.position}", OTHER_END)

    def _check(self, event: AuditEvent, link: Link, last: ChainHead) -> Iterator[Finding]:
        self.first = self.first or event
        self.count += 1
        where = f"event {event.id} at position {link.position}"
        if link.position <= self.head.swept_to:
            yield Finding(where, BEFORE_START)
        elif link.position > last.position + 1:
            yield from self._report_gap(last.position, link.position - 1)
        elif link.previous != last.digest:
            yield Finding(where, UNLINKED)
        if not _is_as_written(event, link):
            yield Finding(where, CHANGED)
        if link.salt is None:
            self.blanked += 1
        if not _has_its_client(event, link):
            yield Finding(where, CLIENT_CHANGED)
        if link.position > self.head.position and link.position > self._chain.read_head().position:
            yield Finding(where, BEYOND_END)

    def _report_gap(self, last: int, until: int) -> Iterator[Finding]:
        """Report positions after *last* that are missing, except those that retention deleted."""
        missing = max(last, self._chain.read_head().swept_to) + 1
        if missing == until:
            yield Finding(f"position {missing}", "is missing")
        elif missing < until:
            yield Finding(f"positions {missing} to {until}", "are missing")

    def _find_outside(self, start: str) -> Iterator[Finding]:
        while page := self._chain.list_ids(after=start, limit=PAGE):
            yield from (Finding(f"event {each}", NO_LINK) for each, linked in page if not linked)
            start = page[-1][0]


def _is_as_written(event: AuditEvent, link: Link) -> bool:
    try:
        return digest_of(event, link.position, link.previous, link.client) == link.digest
    except _UNREADABLE:
        return False


def _has_its_client(event: AuditEvent, link: Link) -> bool:
    if link.salt is None:
        return event.ip is None and event.user_agent is None
    try:
        return commit_to_client(event, link.salt) == link.client
    except _UNREADABLE:
        return False
