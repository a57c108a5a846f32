"""The messages that wait to be delivered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from falcon_auth.models import Message

MAX_WAITING_PER_USER = 100  # Messages of one channel: nobody fills the outbox alone.


class OutboxCount(NamedTuple):
    """How many messages of one channel there are."""

    channel: str
    waiting: int
    failed: int
    oldest_at: float | None  # When the oldest that waits was created.


class OutboxStore(Protocol):
    """The messages that are to be delivered; what was delivered is not kept.

    A message waits until it is delivered or given up. Those of one user and channel leave in the
    order in which they were committed, one after the other; one that was given up lets the later
    ones go on. Of each user at most `MAX_WAITING_PER_USER` wait in a channel: more are dropped,
    and the log says so (`message_dropped`): a change must not fail by the mail that tells of it.
    """

    def add(self, messages: Sequence[Message]) -> None:
        """Queue what changed no other record."""

    def lease(self, channel: str, *, now: float, until: float) -> Message | None:
        """Return a message that is due, and keep it from everybody else *until* then.

        It is the oldest of its user; of all users' the one that is due first. Its `attempts` counts
        this one already. Of many concurrent callers no two get the same. None where nothing is due.
        """

    def remove_delivered(self, leased: Message) -> bool:
        """Forget a message that was delivered. False if the lease was over and is another's."""

    def postpone(self, leased: Message, *, due_at: float, error: str) -> bool:
        """Reschedule a message to *due_at*. Returns False as `remove_delivered` does."""

    def give_up(self, leased: Message, *, now: float, error: str) -> bool:
        """Mark a message as failed, for operators only to retry. Returns as `postpone` does."""

    def retry(self, message_ids: Collection[str] | None, *, now: float) -> int:
        """Requeue failed messages, by id or (None) all; return how many. Ignores unknown ids."""

    def list_waiting(self, *, limit: int) -> list[Message]:
        """Return up to *limit* messages that wait, oldest first."""

    def list_failed(self, *, limit: int) -> list[Message]:
        """Return up to *limit* messages that were given up, oldest first."""

    def counts(self) -> list[OutboxCount]:
        """Count the messages of each channel that has any."""

    def sweep_failed(self, *, failed_before: float) -> int:
        """Delete messages that were given up before *failed_before*; return how many."""
