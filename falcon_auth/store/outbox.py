"""The messages that wait to be delivered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from falcon_auth.models import Message

MAX_WAITING_PER_USER = 100  # Messages per channel, so that one user cannot fill the outbox.
# More of these may wait. Somebody could else make events, by renaming their account say, until no
# webhook tells of what is done to them.
OTHERS_TOPICS = frozenset(
    {"role.granted", "role.revoked", "user.disabled", "user.enabled", "user.deleted"}
)
ROOM_FOR_OTHERS = 100


class OutboxCount(NamedTuple):
    """The numbers of messages in one channel."""

    channel: str
    waiting: int
    failed: int
    oldest_at: float | None  # When the oldest waiting message was created.


def room_for(message: Message) -> int:
    """Return before how many waiting messages, of its user and channel, a message is added."""
    reserved = ROOM_FOR_OTHERS if message.topic in OTHERS_TOPICS else 0
    return MAX_WAITING_PER_USER + reserved


class OutboxStore(Protocol):
    """The messages to be delivered; delivered ones are not kept.

    A message waits until it is delivered or given up. The messages of one user and channel are
    delivered one at a time, in the order in which they were committed; one that was given up no
    longer blocks the later ones. As many messages of a user wait in a channel as `room_for` has
    room for. Further ones are dropped and logged (`message_dropped`), because a change must not
    fail for want of the mail that announces it.
    """

    def add(self, messages: Sequence[Message]) -> None:
        """Queue messages that do not belong to a change of another record."""

    def lease(self, channel: str, *, now: float, until: float) -> Message | None:
        """Return the message that is due first, and lease it to this caller *until* then.

        Only the oldest message of each user is considered. Its `attempts` includes this attempt. No
        two concurrent callers get the same message. Returns None if none is due.
        """

    def remove_delivered(self, leased: Message) -> bool:
        """Delete a delivered message. False if the lease expired and another caller has it."""

    def postpone(self, leased: Message, *, due_at: float, error: str) -> bool:
        """Reschedule a message to *due_at*. Returns False as `remove_delivered` does."""

    def give_up(self, leased: Message, *, now: float, error: str) -> bool:
        """Mark a message as failed; only operators retry it. Returns False as `postpone` does."""

    def retry(self, message_ids: Collection[str] | None, *, now: float) -> int:
        """Requeue failed messages, by id or (None) all; return how many. Ignores unknown ids."""

    def list_waiting(self, *, limit: int) -> list[Message]:
        """Return up to *limit* waiting messages, oldest first."""

    def list_failed(self, *, limit: int) -> list[Message]:
        """Return up to *limit* messages that were given up, oldest first."""

    def counts(self) -> list[OutboxCount]:
        """Count the messages of each channel that has any."""

    def sweep_failed(self, *, failed_before: float) -> int:
        """Delete messages that were given up before *failed_before*; return how many."""
