"""A queue shared by clients: the one with the fewest items is next, the one with most is shed."""

from __future__ import annotations

from collections import OrderedDict, deque
from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

# One in so many turns goes to the client that has waited longest. Without it, clients with several
# items would wait forever beside a crowd of clients with one item each.
PATIENCE_TURNS = 4


class FairQueue(Generic[T]):
    """Holds waiting items, each of which belongs to a client. Not thread-safe: use a lock.

    The items of one client are first in, first out. Among clients with equally many items, the one
    whose number changed least recently is next. Whatever the others add, a client in the queue gets
    its next turn within `PATIENCE_TURNS` turns per client.

    With n items, each method takes amortised O(log n) time: whatever `take` removes from the heap
    was added by one step of another call. `len` takes O(1).
    """

    def __init__(self) -> None:
        # The items of each client; the client that has waited longest for a turn comes first.
        self._items: OrderedDict[str, deque[T]] = OrderedDict()
        # The clients by their number of items, in the order in which they reached it. A number that
        # no client has any longer stays until it is the lowest.
        self._clients: dict[int, OrderedDict[str, None]] = {}
        self._numbers: list[int] = []  # The keys of `_clients`, as a heap.
        self._most = 0  # The largest number of items of a client.
        self._size = 0
        self._turns = 0

    def __len__(self) -> int:
        """Return the number of waiting items."""
        return self._size

    def put(self, client: str, item: T) -> None:
        """Add an item."""
        items = self._items.setdefault(client, deque())
        items.append(item)
        self._renumber(client, len(items) - 1, len(items))

    def take(self) -> T:
        """Remove and return the item whose turn it is. There must be one."""
        self._turns += 1
        if self._turns % PATIENCE_TURNS == 0:
            client = next(iter(self._items))
        else:
            client = self._client_with_fewest()
        items = self._items[client]
        item = items.popleft()
        self._items.move_to_end(client)
        self._renumber(client, len(items) + 1, len(items))
        return item

    def shed(self, newcomer: str) -> T | None:
        """Remove an item to make room for one of *newcomer*, and return it.

        It is the newest item of a client with the most items. Returns None, and removes nothing, if
        *newcomer* would then have as many itself.
        """
        if len(self._items.get(newcomer, ())) + 1 >= self._most:
            return None
        client = next(reversed(self._clients[self._most]))
        items = self._items[client]
        item = items.pop()
        self._renumber(client, len(items) + 1, len(items))
        return item

    def _client_with_fewest(self) -> str:
        while not self._clients[self._numbers[0]]:
            del self._clients[heappop(self._numbers)]
        return next(iter(self._clients[self._numbers[0]]))

    def _renumber(self, client: str, before: int, after: int) -> None:
        """Record that *client* has one item more or less."""
        self._size += after - before
        if before:
            del self._clients[before][client]
        if not after:
            del self._items[client]
        elif after not in self._clients:
            self._clients[after] = OrderedDict({client: None})
            heappush(self._numbers, after)
        else:
            self._clients[after][client] = None
        if after > self._most or not self._clients[self._most]:
            self._most = after
