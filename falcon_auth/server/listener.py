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

from falcon_auth.server.connection import Connection
from falcon_auth.server.limits import BACKLOG, Limits
from falcon_auth.server.refusals import Renderer

ACCEPTS_PER_TURN = 64  # A turn costs milliseconds with 2,000 connections: take a burst at once.
EVICTED_SHARE = 100  # One in so many goes when the house is full: looking for them costs, too.
# Deadlines may be missed by as much; checking 2,000 connections takes a millisecond or two.
DEADLINE_CHECK_SECONDS = 1.0

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
    """Accepts connections, and closes those that miss a deadline or must make room.

    Everything but `pull_trigger` and the flag `draining` belongs to the loop's thread.
    """

    channel_class = Connection

    def __init__(
        self,
        *args: Any,
        clock: Callable[[], float],
        limits: Limits,
        word_refusal: Renderer,
        **kwargs: Any,
    ) -> None:
        self.clock = clock
        self.limits = limits
        self.word_refusal = word_refusal
        self.draining = False  # Set once: answers close their connections from then on.
        self.arrivals = 0  # How often connections had something to read.
        self._accept_paused = False  # Until the next check of deadlines: there was no room.
        self._checked_at = clock()
        self._cut: Counter[str] = Counter()  # Connections closed since then, by reason.
        self._trigger_lock = RLock()  # A signal handler may interrupt the thread that holds it.
        self._trigger_open = True
        super().__init__(*args, **kwargs)

    def readable(self) -> bool:
        """Return whether to accept; without room, not before deadlines have been checked."""
        return self.accepting and not self._accept_paused

    def handle_accept(self) -> None:
        """Accept a burst of connections; idle ones are closed if there is no room.

        With a request running on every one of them, newcomers wait in the kernel's queue.
        """
        limit = self.adj.connection_limit
        room = limit - len(self.active_channels) or self._evict(max(1, limit // EVICTED_SHARE))
        self._accept_paused = not room
        self._accept(min(room, ACCEPTS_PER_TURN))

    def accept_the_last(self) -> bool:
        """Accept whoever waits in the kernel's queue, as far as there is room, and no one later.

        Returns whether more may wait there; else the listening socket is closed, at once after
        the last was accepted: what the kernel would take in meanwhile would be reset.
        """
        self.accepting = False  # The loop leaves it to this method from now on.
        more = self._accept(self.adj.connection_limit - len(self.active_channels))
        if not more:
            self.stop_accepting()
        return more

    def handle_close(self) -> None:
        """Keep listening: waitress calls this after an error, and would stop accepting forever."""
        self._accept_paused = True

    def enforce_deadlines(self) -> None:
        """Close connections that keep the server waiting; once in DEADLINE_CHECK_SECONDS."""
        now = self.clock()
        if now - self._checked_at < DEADLINE_CHECK_SECONDS:
            return
        self._checked_at = now
        self._accept_paused = False
        for connection in list(self.active_channels.values()):
            if reason := connection.overdue(now):
                self._close(connection, reason)
        if self._cut:  # One line, however many there are: a flood must not fill the log.
            log.info("connections_cut", extra={"reasons": dict(self._cut)})
            self._cut.clear()

    def close_idle(self) -> int:
        """Close connections on which nothing runs; return how many are left.

        An unfinished request goes with them: nothing has been done for it.
        """
        for connection in list(self.active_channels.values()):
            if connection.is_idle:
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

    def _accept(self, count: int) -> bool:
        """Accept up to *count* connections; return False once nobody waits any more."""
        for number in range(count):
            try:
                client, address = self.socket.accept()
            except BlockingIOError:
                return False
            except ConnectionAbortedError:  # pragma: no cover - BSD's, for one that was reset.
                continue
            except OSError as error:
                if number == 0:
                    self._make_room_after(error)
                break
            self.set_socket_options(client)
            self.channel_class(self, client, address, self.adj, map=self._map)
        return True

    def _make_room_after(self, error: OSError) -> None:
        """Give up an idle connection, where accepting failed for want of descriptors or memory."""
        if not self._evict(1):
            self._accept_paused = True
            log.warning("accept_failed", extra={"errno": error.errno})

    def _evict(self, count: int) -> int:
        """Close up to *count* connections that no request runs on; return how many."""
        free = (each for each in self.active_channels.values() if not each.requests)
        evicted = heapq.nsmallest(count, free, key=Connection.eviction_order)
        for connection in evicted:
            self._close(connection, "evicted")
        return len(evicted)

    def _close(self, connection: Connection, reason: str) -> None:
        # Not by `will_close`, which waits until the socket takes bytes: a stuck one never does.
        connection.handle_close()
        self._cut[reason] += 1
