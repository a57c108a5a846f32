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

ACCEPTS_PER_TURN = 64  # A turn takes milliseconds with 2,000 connections, so accept in bursts.
EVICTED_SHARE = 100  # One in this many is evicted at a time, because the search is expensive.
# The accuracy of deadlines; checking 2,000 connections takes a millisecond or two.
DEADLINE_CHECK_SECONDS = 1.0

log = logging.getLogger("falcon_auth.server")


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket; raise `OSError` if the host or port is unavailable.

    A host with a colon is an IPv6 address; any other is an IPv4 address or a name for one. The
    socket never accepts both: IPv4 clients would have mapped addresses, which lists of trusted
    proxies do not contain.
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
        self.arrivals = 0  # How often data arrived on any connection.
        self._accept_paused = False  # No room; paused until the next check of deadlines.
        self._checked_at = clock()
        self._cut: Counter[str] = Counter()  # Connections closed since that check, by reason.
        self._trigger_lock = RLock()  # A signal handler may interrupt the thread that holds it.
        self._trigger_open = True
        super().__init__(*args, **kwargs)

    def readable(self) -> bool:
        """Return whether to accept; if there is no room, only after the next check of deadlines."""
        return self.accepting and not self._accept_paused

    def handle_accept(self) -> None:
        """Accept a burst of connections; idle ones are closed if there is no room.

        If every connection has a running request, new ones wait in the kernel's queue.
        """
        limit = self.adj.connection_limit
        room = limit - len(self.active_channels) or self._evict(max(1, limit // EVICTED_SHARE))
        self._accept_paused = not room
        self._accept(min(room, ACCEPTS_PER_TURN))

    def accept_the_last(self) -> bool:
        """Accept the connections in the kernel's queue, as far as there is room, and no later ones.

        Returns whether more may be waiting there. If not, the listening socket is closed
        immediately after the last was accepted, because connections that the kernel accepted in
        between would be reset.
        """
        self.accepting = False  # From now on only this method accepts, not the loop.
        more = self._accept(self.adj.connection_limit - len(self.active_channels))
        if not more:
            self.stop_accepting()
        return more

    def handle_close(self) -> None:
        """Pause accepting until the next check of deadlines; waitress would stop for good."""
        self._accept_paused = True

    def enforce_deadlines(self) -> None:
        """Close connections that have missed a deadline; at most once in DEADLINE_CHECK_SECONDS."""
        now = self.clock()
        if now - self._checked_at < DEADLINE_CHECK_SECONDS:
            return
        self._checked_at = now
        self._accept_paused = False
        for connection in list(self.active_channels.values()):
            if reason := connection.overdue(now):
                self._close(connection, reason)
        if self._cut:  # One line for all of them, so that a flood does not fill the log.
            log.info("connections_cut", extra={"reasons": dict(self._cut)})
            self._cut.clear()

    def close_idle(self) -> int:
        """Close connections without a running request; return how many are left.

        Requests that have not arrived completely are lost; nothing has been done for them.
        """
        for connection in list(self.active_channels.values()):
            if connection.is_idle:
                connection.handle_close()
        return len(self.active_channels)

    def stop_accepting(self) -> None:
        """Close only the listening socket, so that new connections are refused. Idempotent."""
        dispatcher.close(self)

    def close(self) -> None:
        """Close everything, including connections with running requests."""
        self.stop_accepting()
        for connection in list(self.active_channels.values()):
            connection.handle_close()
        with self._trigger_lock:
            self._trigger_open = False
            self.trigger.close()

    def pull_trigger(self) -> None:
        """Wake the loop; safe from any thread or signal handler, even after the server has closed.

        A request may outlive the server; its thread must not write to a descriptor that has been
        reused in the meantime.
        """
        with self._trigger_lock:
            if self._trigger_open:
                super().pull_trigger()

    def _accept(self, count: int) -> bool:
        """Accept up to *count* connections; return False once none are waiting."""
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
        """Close an idle connection if accepting failed for lack of descriptors or memory."""
        if not self._evict(1):
            self._accept_paused = True
            log.warning("accept_failed", extra={"errno": error.errno})

    def _evict(self, count: int) -> int:
        """Close up to *count* connections without a running request; return how many."""
        free = (each for each in self.active_channels.values() if not each.requests)
        evicted = heapq.nsmallest(count, free, key=Connection.eviction_order)
        for connection in evicted:
            self._close(connection, "evicted")
        return len(evicted)

    def _close(self, connection: Connection, reason: str) -> None:
        # Not by `will_close`, which waits until the socket is writable: a stuck one never is.
        connection.handle_close()
        self._cut[reason] += 1
