"""The limits of one server for its clients, and of the operating system for the server."""

import logging
import sys
from contextlib import suppress
from dataclasses import dataclass

from waitress.adjustments import Adjustments

if sys.platform != "win32":  # pragma: no branch
    import resource

BACKLOG = 1_024  # Connections the kernel keeps for us in a burst; its own cap applies as well.
MAX_BODY_BYTES = 64 * 1_024  # A JSON body is far smaller; what is refused here is never parsed.
MAX_HEADER_BYTES = 16 * 1_024  # Room for a token of 4 KiB and the cookies of a shared domain.
# Keeps on reading during a request, which is how a hang-up is noticed: a log-in whose client has
# gone is taken from the hashing queue, where it would cost a quarter of a second of a core.
REQUEST_LOOKAHEAD = 1
RESERVED_DESCRIPTORS = 256  # Database, Redis, logs, spooled answers, a burst of accepts.

log = logging.getLogger("falcon_auth.server")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one server; times are in seconds of the server's clock.

    With these, 1,000 silent connections and 200 that send a header line every 50 ms delay nobody
    (tests/server/test_server.py); waitress's own time-out sees only what is idle.
    """

    connections: int = 2_000  # Above it, the one that was idle longest makes room for a new one.
    request_seconds: float = 30.0  # From a request's first byte, or from connecting, to its last.
    answer_seconds: float = 60.0  # To read an answer that did not fit into the socket's buffer.
    idle_seconds: float = 120.0  # Between requests: longer than a proxy keeps its own end (60).
    shutdown_delay_seconds: float = 0.0  # At shutdown everything is served for so much longer.
    drain_seconds: float = 30.0  # For running requests at shutdown, after that delay.
    one_core: bool = True  # For the threads that answer; see `falcon_auth.server.placement`.


def adjustments(*, threads: int, connections: int) -> Adjustments:
    """Return waitress's settings, every one that matters set on purpose.

    Its `channel_timeout` and `cleanup_interval` are left out: they go by the wall clock, and the
    `Listener` does that work by a monotonic one.
    """
    return Adjustments(
        threads=threads,
        connection_limit=connections,
        backlog=BACKLOG,
        max_request_body_size=MAX_BODY_BYTES + 1,  # waitress refuses from this size on.
        max_request_header_size=MAX_HEADER_BYTES + 1,
        channel_request_lookahead=REQUEST_LOOKAHEAD,
        asyncore_use_poll=True,  # select() ends at descriptor 1,023.
        ident="",  # No `Server` line.
        expose_tracebacks=False,
        # The application itself decides whom to believe about `X-Forwarded-…`.
        trusted_proxy=None,
        clear_untrusted_proxy_headers=False,
        # False would also swallow an OSError of the application: no log, no answer.
        log_socket_errors=True,
    )


def affordable_connections(wanted: int) -> int:
    """Return how many of *wanted* connections the process may hold open, at least one.

    Raises the process's soft limit of open files towards its hard one for it. What does not fit
    then is given up, with a warning: running out of descriptors while serving is worse.
    """
    if sys.platform == "win32":  # pragma: no cover
        return wanted  # There is no such limit.
    needed = wanted + RESERVED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _count(soft) < needed:
        # A sandbox may forbid it: what counts is the limit that holds afterwards.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, _count(hard)), hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    available = _count(soft)
    # Where there is little at all, half is for connections.
    affordable = max(available - RESERVED_DESCRIPTORS, available // 2)
    if affordable >= wanted:
        return wanted
    log.warning("connections_limited", extra={"wanted": wanted, "affordable": affordable})
    return affordable


def _count(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
