"""Metrics for Prometheus: what happened, how often, and how long it took.

Every label value is a route template or a fixed word, so that nobody's data gets in and nobody
can make up new series. Where PROMETHEUS_MULTIPROC_DIR names a folder, prometheus-client keeps
the values in files there, one set a process, and a scrape adds up those of all processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from falcon_auth import __version__
from falcon_auth.errors import catalogue
from falcon_auth.events import ENDINGS, LOGIN_FAILURES, REFRESHED, Ending, LoginFailure, Refreshed
from falcon_auth.throttle import LIMITS

MEDIA_METRICS = CONTENT_TYPE_PLAIN_0_0_4  # What every Prometheus reads; no name here needs more.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # Read by prometheus-client itself, from here too.

# Seconds. Guarded requests take under a millisecond, log-ins a quarter of a second and, queued,
# up to several.
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
HASH_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2.5)

# Methods and routes that are not the service's own come from the client: one word for all.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "other"
NO_ROUTE = "unmatched"

TOKEN_FAULTS = ("expired", "revoked", "reused", "signature")  # Shown from the start, as zero.
BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}

# One time stamp more for each series, which nothing here asks about. It is the library's switch
# for the whole process.
disable_created_metrics()  # type: ignore[no-untyped-call]


def shared_folder() -> Path | None:
    """Return where this process shares its metrics with others; None where it is alone.

    Raises `NotADirectoryError` where the variable names no folder: the library would fail at
    the first request, or fill the working directory.
    """
    name = os.environ.get(FOLDER_VARIABLE)
    if name is None:
        return None
    if not Path(name).is_dir() or not name:
        raise NotADirectoryError(FOLDER_VARIABLE)
    return Path(name)


class Metrics:
    """The metrics of one service, with a registry of their own. An `Events`.

    Safe to call from any thread; nothing here raises. Between processes that share a folder,
    counters add up for good; gauges are those of live processes as of their last `sample`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Take *folder* from `shared_folder`: the library has its own eye on the environment."""
        self._folder = folder
        self._registry = CollectorRegistry()
        if folder is None:
            ProcessCollector(registry=self._registry)
        self._gauges: dict[str, Gauge] = {}
        self._readings: list[tuple[Gauge, Callable[[], float]]] = []
        self._requests = self._histogram(
            "http_request_duration_seconds",
            "Requests by route, from the first middleware to the last",
            REQUEST_BUCKETS,
            "method",
            "route",
            "status",
        )
        self._of_request: dict[tuple[str, str | None, int], Histogram] = {}
        self._problems = self._counter("problems", "Errors answered, by code", "code")
        self._tokens = self._counter("token_rejections", "Tokens refused, by reason", "reason")
        self._registrations = self._counter("registrations", "New users")
        self._logins = self._counter(
            "logins", "Passwords checked, by result and reason", "result", "reason"
        )
        self._logged_in = self._logins.labels("succeeded", "")
        self._refreshes = self._counter("refreshes", "Refresh tokens answered", "result")
        self._endings = self._counter(
            "sessions_ended", "Sessions ended before their time, by reason", "reason"
        )
        self._limited = self._counter("rate_limited", "Attempts beyond a limit, by limit", "limit")
        self._hashes = self._histogram(
            "hash_duration_seconds",
            "Trips through the hashing pool, without the wait for a worker",
            HASH_BUCKETS,
            "kind",
        )
        self._refreshed = {word: self._refreshes.labels(word) for word in REFRESHED}
        self._show_zeros()
        self._gauge_family("breaker_state", "0 closed, 1 half open, 2 open", ("breaker",), "max")
        self.gauge("build_info", "Always 1", lambda: 1, combine="max", version=__version__)

    # --- Requests, told by the HTTP layer

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request and its duration; *route* is the template, None where there is none."""
        key = (method if method in METHODS else OTHER_METHOD, route, status)
        child = self._of_request.get(key)
        if child is None:  # `labels` takes a lock and several times as long.
            method = key[0]
            child = self._requests.labels(method, route or NO_ROUTE, str(status))
            self._of_request[key] = child
        child.observe(seconds)

    def problem(self, code: str) -> None:
        """Count an error answered."""
        self._problems.labels(code).inc()

    def token_rejected(self, reason: str) -> None:
        """Count a token that was refused; *reason* is a word of `errors`, `tokens`, `sessions`."""
        self._tokens.labels(reason).inc()

    # --- Events, told by the use cases

    def registered(self) -> None:
        """See `Events`."""
        self._registrations.inc()

    def logged_in(self) -> None:
        """See `Events`."""
        self._logged_in.inc()

    def login_failed(self, reason: LoginFailure) -> None:
        """See `Events`."""
        self._logins.labels("failed", reason).inc()

    def refreshed(self, result: Refreshed) -> None:
        """See `Events`."""
        self._refreshed[result].inc()

    def sessions_ended(self, reason: Ending, count: int = 1) -> None:
        """See `Events`."""
        self._endings.labels(reason).inc(count)

    def rate_limited(self, limit: str) -> None:
        """See `Events`."""
        self._limited.labels(limit).inc()

    def hashed(self, kind: str, seconds: float) -> None:
        """Count a trip through the hashing pool; for `make_passwords`."""
        self._hashes.labels(kind).observe(seconds)

    # --- Readings, asked for at a scrape

    def gauge(
        self,
        name: str,
        text: str,
        read: Callable[[], float],
        *,
        combine: Literal["sum", "max"] = "sum",
        **labels: str,
    ) -> None:
        """Show what *read* returns as `falcon_auth_<name>`; once for each set of *labels*.

        *read* is called from any thread at each scrape; it must be quick, ask no store and
        not raise. *combine* says what several processes' values make.
        """
        family = self._gauge_family(name, text, tuple(labels), combine)
        self._readings.append((family.labels(**labels) if labels else family, read))

    def watch_breaker(self, name: str, state: Callable[[], str]) -> None:
        """Show a circuit breaker; *state* returns `closed`, `half_open` or `open`."""
        child = self._gauges["breaker_state"].labels(name)
        self._readings.append((child, lambda: BREAKER_STATES[state()]))

    def sample(self) -> bool:
        """Take the readings; return that nothing is left to do, as a housekeeping chore does.

        A process that shares a folder does this now and then, since scrapes reach only one.
        """
        for child, read in self._readings:
            child.set(read())
        return False

    def expose(self) -> bytes:
        """Return everything in Prometheus's text format (`MEDIA_METRICS`)."""
        self.sample()
        if self._folder is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"falcon_auth_{name}", text, labels, registry=self._registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"falcon_auth_{name}", text, labels, buckets=buckets, registry=self._registry
        )

    def _gauge_family(
        self, name: str, text: str, labels: tuple[str, ...], combine: Literal["sum", "max"]
    ) -> Gauge:
        if name not in self._gauges:
            mode: Literal["livesum", "livemax"] = "livesum" if combine == "sum" else "livemax"
            self._gauges[name] = Gauge(
                f"falcon_auth_{name}",
                text,
                labels,
                registry=self._registry,
                multiprocess_mode=mode,
            )
        return self._gauges[name]

    def _show_zeros(self) -> None:
        """Begin each series that can be foreseen: `increase` misses the first step of a new one."""
        for code in catalogue():
            self._problems.labels(code)
        for reason in LOGIN_FAILURES:
            self._logins.labels("failed", reason)
        for family, words in (
            (self._tokens, TOKEN_FAULTS),
            (self._refreshes, REFRESHED),
            (self._endings, ENDINGS),
            (self._limited, LIMITS),
        ):
            for word in words:
                family.labels(word)
