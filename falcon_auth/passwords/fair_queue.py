"""A queue that clients share: who has the fewest items is next, who has the most is shed."""

from __future__ import annotations

from collections import OrderedDict, deque
from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

# Every so many turns one goes to the client that has waited longest for one. Without it, clients
# that have several items would wait for ever beside a crowd that has one each.
PATIENCE_TURNS = 4


class FairQueue(Generic[T]):
    """Holds items that wait, each for a client. Not thread-safe: the caller holds a lock.

    A client's own items are first in, first out. Among clients with as many items the one whose
    number changed least recently is next. A client that has items gets its next turn within
    `PATIENCE_TURNS` turns for each client in the queue, whatever the others add.

    For n items each method takes O(log n) time, amortised over calls: whatever `take` removes from
    the heap was added to it by one step of another call. `len` takes O(1).
    """

    def __init__(self) -> None:
        # The items of each client; in front the client that has had no turn for longest.
        self._items: OrderedDict[str, deque[T]] = OrderedDict()
        # The clients by their number of items, each number in the order in which they came to it.
        # A number that no client has any more stays until it is the lowest.
        self._clients: dict[int, OrderedDict[str, None]] = {}
        self._numbers: list[int] = []  # The keys of `_clients`, as a heap.
        self._most = 0  # Items of any one client.
        self._size = 0
        self._turns = 0

    def __len__(self) -> int:
        """Return how many items wait."""
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

        It is the newest of a client that has the most. None where *newcomer* would have as many
        itself: then nothing is removed.
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
        """Note that *client* has one item more or less."""
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
