"""The outbox's messages in memory with their queues. Callers hold the store's lock."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import structlog

from falcon_auth.models import Message
from falcon_auth.store import OutboxCount
from falcon_auth.store.outbox import room_for

MAX_MESSAGES = 100_000  # About 100 MiB; further messages are dropped.

log = structlog.get_logger("falcon_auth.outbox")

QueueKey = tuple[str, str]  # A channel and a user's id, or the id of a message without a user.


class OutboxTable:
    """Messages by id, a queue of waiting messages for each user and channel, and the due heads.

    Only the head of a queue can be due. The heaps of due messages may contain outdated entries,
    which are skipped when they come up.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, Message] = {}  # Oldest first.
        self._numbers: dict[str, int] = {}  # Their positions, which failed messages keep.
        self._next_number = 0
        self._queues: dict[QueueKey, list[str]] = {}
        self._due: dict[str, list[tuple[float, int, str]]] = {}  # Heaps, by channel.

    def add(self, message: Message) -> None:
        """Add a message, waiting or failed, unless there are too many."""
        queue = self._queues.get(_key(message), [])
        if len(queue) >= room_for(message) or len(self.by_id) >= MAX_MESSAGES:
            log.error("message_dropped", channel=message.channel, topic=message.topic)
            return
        self.by_id[message.id] = message
        self._numbers[message.id] = self._next_number
        self._next_number += 1
        if message.failed_at is None:
            self._enqueue(message)

    def lease(self, channel: str, now: float, until: float) -> Message | None:
        """Return the head that is due first, and make it due again at *until*."""
        heap = self._due.get(channel, [])
        while heap and heap[0][0] <= now:
            due_at, _, message_id = heapq.heappop(heap)
            message = self.by_id.get(message_id)
            if message is not None and message.due_at == due_at and self._is_head(message):
                leased = replace(message, due_at=until, attempts=message.attempts + 1)
                self.by_id[message_id] = leased
                self._push(leased)
                return leased
        return None

    def is_leased(self, leased: Message) -> bool:
        """Return whether *leased* is still the latest lease of its message."""
        return self.by_id.get(leased.id) == leased

    def remove(self, message: Message) -> None:
        """Remove a message, waiting or failed."""
        del self.by_id[message.id]
        if message.failed_at is None:
            self._dequeue(message)
        del self._numbers[message.id]

    def forget_all_of(self, user_id: str) -> None:
        """Remove every message of a user but webhooks, in time proportional to all messages."""
        for message in list(self.by_id.values()):
            if message.user_id == user_id and message.channel != "webhook":
                self.remove(message)

    def postpone(self, leased: Message, due_at: float, error: str) -> None:
        """Make a leased message due later."""
        self.by_id[leased.id] = replace(leased, due_at=due_at, error=error)
        self._push(self.by_id[leased.id])

    def give_up(self, leased: Message, now: float, error: str) -> None:
        """Remove a message from its queue, and keep it as failed."""
        self.by_id[leased.id] = replace(leased, failed_at=now, error=error)
        self._dequeue(leased)

    def retry(self, failed: Message, now: float) -> None:
        """Return a failed message to its position in the queue."""
        waiting = replace(failed, failed_at=None, attempts=0, due_at=now)
        self.by_id[failed.id] = waiting
        self._enqueue(waiting)

    def waiting(self) -> Iterator[Message]:
        """Iterate over the waiting messages, oldest first."""
        return (message for message in self.by_id.values() if message.failed_at is None)

    def failed(self) -> Iterator[Message]:
        """Iterate over the failed messages, oldest first."""
        return (message for message in self.by_id.values() if message.failed_at is not None)

    def counts(self) -> list[OutboxCount]:
        """Count them all."""
        waiting, failed, oldest = Counter[str](), Counter[str](), dict[str, float]()
        for message in self.by_id.values():
            if message.failed_at is None:
                waiting[message.channel] += 1
                oldest.setdefault(message.channel, message.created_at)
            else:
                failed[message.channel] += 1
        return [
            OutboxCount(channel, waiting[channel], failed[channel], oldest.get(channel))
            for channel in sorted(waiting | failed)
        ]

    def _enqueue(self, message: Message) -> None:
        queue = self._queues.setdefault(_key(message), [])
        queue.append(message.id)
        queue.sort(key=self._numbers.__getitem__)
        self._push(self.by_id[queue[0]])

    def _dequeue(self, message: Message) -> None:
        queue = self._queues[_key(message)]
        queue.remove(message.id)
        if queue:
            self._push(self.by_id[queue[0]])
        else:
            del self._queues[_key(message)]

    def _is_head(self, message: Message) -> bool:
        return message.failed_at is None and self._queues[_key(message)][0] == message.id

    def _push(self, head: Message) -> None:
        heap = self._due.setdefault(head.channel, [])
        heapq.heappush(heap, (head.due_at, self._numbers[head.id], head.id))


def _key(message: Message) -> QueueKey:
    return message.channel, message.user_id or message.id
