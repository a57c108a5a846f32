"""The listening socket and the connections it accepted: waitress's server, with bounds."""

import heapq
import logging
import socket
from collections import Counter
from collections.abc import Callable
from threading import RLock
from typing import Any

from waitress.server import TcpWSGIServer
from waitress.wasyncore import dispatcher

from falcon_auth.serving.connection import Connection
from falcon_auth.serving.limits import BACKLOG, Limits

ACCEPTS_PER_TURN = 64  # A turn costs milliseconds with 2,000 connections: take a burst at once.
EVICTED_SHARE = 100  # One in so many goes when the house is full: looking for them costs, too.
LOOK_SECONDS = 1.0  # Deadlines may be missed by as much; a look takes a millisecond or two.

log = logging.getLogger("falcon_auth.server")


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a TCP socket that listens; raise `OSError` where host or port cannot be had.

    A host with a colon is an IPv6 address, anything else an IPv4 address or a name for one. It
    never takes both kinds: IPv4 clients would show up under mapped addresses, which no list of
    trusted proxies holds.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


class Listener(TcpWSGIServer):
    """Accepts connections and looks after them.

    Everything but `pull_trigger` and the flag `draining` belongs to the loop's thread.
    """

    channel_class = Connection

    def __init__(
        self, *args: Any, clock: Callable[[], float], limits: Limits, **kwargs: Any
    ) -> None:
        self.clock = clock
        self.limits = limits
        self.draining = False  # Set once: answers close their connections from then on.
        self._resting = False  # Whether accepting failed, so that it waits for the next look.
        self._looked_at = clock()
        self._cut: Counter[str] = Counter()  # Connections closed since the last look, by reason.
        self._trigger_lock = RLock()  # A signal handler may interrupt the thread that holds it.
        self._trigger_open = True
        super().__init__(*args, **kwargs)

    def readable(self) -> bool:
        """Tell whether to accept; where it failed, not before the next look."""
        return self.accepting and not self._resting

    def handle_accept(self) -> None:
        """Accept a burst of connections; where there is no room, idle ones make it.

        With a request running on every one of them, newcomers wait in the kernel's backlog.
        """
        limit = self.adj.connection_limit
        room = limit - len(self.active_channels) or self._evict(max(1, limit // EVICTED_SHARE))
        self._resting = not room
        for number in range(min(room, ACCEPTS_PER_TURN)):
            try:
                accepted = self.accept()
            except OSError as error:
                if number == 0:
                    self._make_do(error)
                break
            if accepted is None:
                break
            client, address = accepted
            self.set_socket_options(client)
            self.channel_class(self, client, address, self.adj, map=self._map)

    def handle_close(self) -> None:
        """Stay: waitress calls this after an error, and would leave a process that is deaf."""
        self._resting = True

    def look_after(self) -> None:
        """Close the connections that keep the server waiting; at most once in LOOK_SECONDS."""
        now = self.clock()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        self._resting = False
        for connection in list(self.active_channels.values()):
            if reason := connection.overdue(now):
                self._close(connection, reason)
        if self._cut:  # One line a look, however many there are: a flood must not fill the log.
            log.info("connections_cut", extra={"reasons": dict(self._cut)})
            self._cut.clear()

    def close_quiet(self) -> int:
        """Close connections on which nothing runs; return how many are left.

        An unfinished request goes with them: nothing has been done for it.
        """
        for connection in list(self.active_channels.values()):
            if connection.quiet:
                connection.handle_close()
        return len(self.active_channels)

    def stop_accepting(self) -> None:
        """Close the listening socket alone: new connections are refused. Harmless on repeat."""
        dispatcher.close(self)

    def close(self) -> None:
        """Close everything, running requests' connections too."""
        self.stop_accepting()
        for connection in list(self.active_channels.values()):
            connection.handle_close()
        with self._trigger_lock:
            self._trigger_open = False
            self.trigger.close()

    def pull_trigger(self) -> None:
        """Wake the loop; from any thread or signal handler, also after the end.

        A request may outlive the server; its thread must not write to a descriptor that is
        someone else's by then.
        """
        with self._trigger_lock:
            if self._trigger_open:
                super().pull_trigger()

    def _make_do(self, error: OSError) -> None:
        """Close an idle connection after *error*, usually for want of descriptors, or rest.

        Without a rest the loop would spin: the listening socket stays readable. To be called only
        for a turn's first failure: the kernel wants a descriptor before it looks for a client, so
        a later one does not prove that anybody is waiting.
        """
        if not self._evict(1):
            self._resting = True
            log.warning("accept_failed", extra={"errno": error.errno})

    def _evict(self, count: int) -> int:
        """Close up to *count* connections that no request runs on; return how many."""
        free = (each for each in self.active_channels.values() if not each.requests)
        evicted = heapq.nsmallest(count, free, key=Connection.worth)
        for connection in evicted:
            self._close(connection, "evicted")
        return len(evicted)

    def _close(self, connection: Connection, reason: str) -> None:
        # Not by `will_close`, which waits until the socket takes bytes: a stuck one never does.
        connection.handle_close()
        self._cut[reason] += 1
