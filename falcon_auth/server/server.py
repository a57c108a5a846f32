"""The life cycle of a server: bind, serve, drain, exit."""

import logging
import math
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from waitress import wasyncore

from falcon_auth.server.limits import Limits, adjustments, affordable_connections
from falcon_auth.server.listener import Listener, listening_socket
from falcon_auth.server.placement import OneCore, RequestThreads, one_core
from falcon_auth.server.refusals import Renderer, plain_refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

DEFAULT_LIMITS = Limits()
TURN_SECONDS = 0.25  # The longest wait for the network, and the accuracy of a drain's end.
JOIN_SECONDS = 0.5  # For threads without further work to end.

log = logging.getLogger("falcon_auth.server")


class Server:
    """An HTTP server for one WSGI application.

    The constructor binds and listens, and raises `OSError` if the host or port is unavailable; it
    also raises the process's soft limit of open files. `run` serves once, in the calling thread.
    `stop` and `port` are for any thread.

    Unless *limits* say otherwise, the threads that answer requests share one core. Threads that
    they start inherit that; one that should use other cores calls `os.sched_setaffinity`.

    At shutdown, the thread of `run` calls *on_drain*. For the `shutdown_delay_seconds` of *limits*,
    all requests are still served, with `Connection: close` in each response. Then the connections
    in the kernel's queue are accepted, and the listening socket is closed. Requests that have
    arrived completely are answered, all others are cut, and `run` returns.

    *word_refusal* renders the refusals of the server itself; see `falcon_auth.server.refusals`.

    A client that closes even only its sending side counts as disconnected: its response is dropped,
    and `environ["waitress.client_disconnected"]()` tells the application.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        *,
        host: str,
        port: int,
        threads: int,
        on_drain: Callable[[], object] = lambda: None,
        word_refusal: Renderer = plain_refusal,
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads
        self._on_drain = on_drain
        self._limits = limits
        self._clock = clock
        self._stopping = False
        self._hurrying = False
        self._sockets: dict[int, Any] = {}  # What the loop waits for, by descriptor.
        self._placement = one_core(clock) if limits.one_core else OneCore(clock)
        self._pool = RequestThreads(self._placement)
        bound = listening_socket(host, port)
        address = bound.getsockname()
        self._listener = Listener(
            application,
            map=self._sockets,
            _sock=bound,
            bind_socket=False,
            sockinfo=(bound.family, bound.type, bound.proto, address),
            dispatcher=self._pool,
            adj=adjustments(
                threads=threads, connections=affordable_connections(limits.connections)
            ),
            clock=clock,
            limits=limits,
            word_refusal=word_refusal,
        )
        self._host: str = address[0]
        self._port: int = address[1]

    @property
    def port(self) -> int:
        """The actual port, even if 0 was requested."""
        return self._port

    def run(self) -> None:
        """Serve until `stop`, then drain; return when everything is closed."""
        self._pool.set_thread_count(self._threads)
        log.info("listening", extra={"host": self._host, "port": self._port})
        try:
            self._turn_while(lambda: not self._stopping, until=math.inf)
            self._announce_the_end()
            self._turn_while(
                lambda: True, until=self._clock() + self._limits.shutdown_delay_seconds
            )
            self._finish_requests()
        finally:
            self._close()

    def stop(self) -> None:
        """Begin to drain; a second call ends the drain at once and cuts open connections.

        Safe in a signal handler: it sets a flag and wakes the loop.
        """
        self._hurrying = self._stopping
        self._stopping = True
        self._listener.pull_trigger()

    def _announce_the_end(self) -> None:
        log.info("draining", extra={"delay_seconds": self._limits.shutdown_delay_seconds})
        self._listener.draining = True
        try:
            self._on_drain()
        except Exception:  # Running requests are more important than the announcement.
            log.exception("on_drain_failed")

    def _finish_requests(self) -> None:
        end = self._clock() + self._limits.drain_seconds
        self._turn_while(self._take_in_arrived, until=end)
        self._listener.stop_accepting()
        self._turn_while(lambda: self._count_unfinished() > 0, until=end)

    def _take_in_arrived(self) -> bool:
        """Accept and read what has arrived; return whether connections are waiting for room.

        Each turn reads at most 8 KiB from a connection, so a large body takes several turns.
        """
        more = self._listener.accept_the_last()
        arrivals = -1
        while arrivals != self._listener.arrivals and not self._hurrying:
            arrivals = self._listener.arrivals
            self._turn(0)
        if more:
            self._listener.close_idle()
        return more

    def _count_unfinished(self) -> int:
        """Close connections without a running request; return how many requests are running.

        A request whose client has disconnected counts, because it may be about to commit.
        """
        connections = self._listener.close_idle()
        running: int = self._pool.active_count
        return connections + len(self._pool.queue) + running

    def _turn_while(self, condition: Callable[[], bool], *, until: float) -> None:
        """Run the loop while *condition* holds, at most until a time, and stop early in a hurry."""
        while not self._hurrying and (left := until - self._clock()) > 0 and condition():
            self._turn(min(left, TURN_SECONDS))

    def _turn(self, seconds: float) -> None:
        """Wait up to *seconds* for the network, handle what comes, and enforce deadlines."""
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._sockets, count=1)
        self._listener.enforce_deadlines()
        self._placement.follow_kernel()

    def _close(self) -> None:
        cut = self._listener.close_idle()
        self._listener.close()
        # waitress warns about remaining threads; as daemons they end with the process.
        self._pool.shutdown(timeout=JOIN_SECONDS)
        log.info("stopped", extra={"connections_cut": cut})


def serve(server: Server) -> int:
    """Run *server* until SIGTERM or SIGINT, drain, and return the exit code, 0.

    A second signal ends the drain at once. Call it in the main thread. The signal handlers stay
    installed, so that a late signal does not kill a process that is shutting down, and change its
    exit code.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run()
    return 0
