"""The limits of one server for its clients, and of the operating system for the server."""

import logging
import sys
from contextlib import suppress
from dataclasses import dataclass

from waitress.adjustments import Adjustments

if sys.platform != "win32":  # pragma: no branch
    import resource

BACKLOG = 1_024  # Connections that the kernel queues in a burst; its own limit applies as well.
MAX_BODY_BYTES = 64 * 1_024  # Far more than a JSON body needs; larger ones are not even parsed.
MAX_HEADER_BYTES = 16 * 1_024  # Room for a token of 4 KiB and the cookies of a shared domain.
# Continue to read during a request, which is how a disconnect is noticed: a log-in whose client has
# gone leaves the hashing queue, where it would cost a core a quarter of a second.
REQUEST_LOOKAHEAD = 1
RESERVED_DESCRIPTORS = 256  # Database, Redis, logs, spooled answers, a burst of accepts.

log = logging.getLogger("falcon_auth.server")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one server; times are in seconds of the server's clock.

    With these, 1,000 silent connections, and 200 that send a header line every 50 ms, delay nobody
    (tests/server/test_server.py); waitress's own time-out only detects idle connections.
    """

    connections: int = 2_000  # Beyond that, idle connections are closed for new ones.
    request_seconds: float = 30.0  # From a request's first byte, or from connecting, to its last.
    answer_seconds: float = 60.0  # To read a response that did not fit into the socket's buffer.
    idle_seconds: float = 120.0  # Between requests: longer than a proxy's own time-out (60 s).
    shutdown_delay_seconds: float = 0.0  # At shutdown, serve everything for this much longer.
    drain_seconds: float = 30.0  # For running requests at shutdown, after that delay.
    one_core: bool = True  # Keep request threads on one core; see `falcon_auth.server.placement`.


def adjustments(*, threads: int, connections: int) -> Adjustments:
    """Return waitress's settings; every one that matters is set explicitly.

    `channel_timeout` and `cleanup_interval` are omitted: they use the wall clock, and the
    `Listener` does that work with a monotonic one.
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
        # The application itself decides which proxies to trust for `X-Forwarded-…`.
        trusted_proxy=None,
        clear_untrusted_proxy_headers=False,
        # False would also swallow an OSError of the application, without a log line or a response.
        log_socket_errors=True,
    )


def affordable_connections(wanted: int) -> int:
    """Return how many of *wanted* connections the process can keep open, at least one.

    Raises the soft limit of open files, up to the hard limit if necessary. If that is not enough,
    it returns fewer and logs a warning, because running out of descriptors while serving would be
    worse.
    """
    if sys.platform == "win32":  # pragma: no cover
        return wanted  # There is no such limit.
    needed = wanted + RESERVED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _count(soft) < needed:
        # A sandbox may forbid it; what counts is the limit afterwards.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, _count(hard)), hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    available = _count(soft)
    # If the limit is very low, half of it is for connections.
    affordable = max(available - RESERVED_DESCRIPTORS, available // 2)
    if affordable >= wanted:
        return wanted
    log.warning("connections_limited", extra={"wanted": wanted, "affordable": affordable})
    return affordable


def _count(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
