"""Metrics for Prometheus: what happened, how often, and how long it took.

Every label value is a route template or a fixed word, so metrics contain no personal data, and
clients cannot create new series. If PROMETHEUS_MULTIPROC_DIR names a folder, prometheus-client
keeps each process's values in files there, and a scrape adds up those of all processes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
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
from falcon_auth.errors import CATALOGUE
from falcon_auth.observability.event_table import EVENTS, METRICS

MEDIA_METRICS = CONTENT_TYPE_PLAIN_0_0_4  # Every Prometheus version reads it.

# Seconds. Guarded requests take under a millisecond, log-ins a quarter of a second and, queued,
# up to several.
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
HASH_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2.5)

# Unknown methods and routes are chosen by the client, so they share one fixed word.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "other"
NO_ROUTE = "unmatched"

BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}

# These would be one more time series for each series, and are not used here. The switch applies to
# the whole process.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one service, with a registry of their own.

    Safe to call from any thread; nothing here raises. Between processes that share a folder,
    counters include processes that have ended; gauges are those of live processes as of their last
    `sample`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Use *folder*, as returned by `shared_folder`: the library reads the variable itself."""
        self._folder = folder
        self._registry = CollectorRegistry()
        if folder is None:
            ProcessCollector(registry=self._registry)
        self._gauges: dict[str, Gauge] = {}
        self._readings: list[Callable[[], None]] = []
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
        self._events = {
            metric.name: self._counter(metric.name, metric.text, *metric.labels)
            for metric in METRICS
        }
        self._of_event: dict[tuple[str, tuple[str, ...]], Counter] = {}
        self._deliveries = self._counter(
            "deliveries",
            "Attempts to deliver a message, by channel, topic and result",
            "channel",
            "topic",
            "result",
        )
        self._hashes = self._histogram(
            "hash_duration_seconds",
            "Trips through the hashing pool, without the wait for a worker",
            HASH_BUCKETS,
            "kind",
        )
        self._show_zeros()
        self._gauge_family("breaker_state", "0 closed, 1 half open, 2 open", ("breaker",), "max")
        self.gauge("build_info", "Always 1", lambda: 1, combine="max", version=__version__)

    # --- Requests, reported by the HTTP layer

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request and its duration; *route* is its template, None if none matched."""
        key = (method if method in METHODS else OTHER_METHOD, route, status)
        child = self._of_request.get(key)
        if child is None:  # Cached, because `labels` takes a lock and several times as long.
            method = key[0]
            child = self._requests.labels(method, route or NO_ROUTE, str(status))
            self._of_request[key] = child
        child.observe(seconds)

    def problem(self, code: str) -> None:
        """Count an error answered."""
        self._problems.labels(code).inc()

    # --- Events and durations, reported by the domain

    def count(self, name: str, values: tuple[str, ...], amount: int) -> None:
        """Count an event by a metric of `event_table.METRICS`; *values* are its label values."""
        child = self._of_event.get((name, values))
        if child is None:  # Cached as above.
            family = self._events[name]
            child = family.labels(*values) if values else family
            self._of_event[name, values] = child
        child.inc(amount)

    def hashed(self, kind: str, seconds: float) -> None:
        """Observe how long a job kept a hashing worker busy; the callback of `make_passwords`."""
        self._hashes.labels(kind).observe(seconds)

    def delivery(self, channel: str, topic: str, result: str) -> None:
        """Count an attempt to deliver a message: `delivered`, `postponed` or `failed`."""
        self._deliveries.labels(channel, topic, result).inc()

    # --- Gauges, read at a scrape

    def gauge(
        self,
        name: str,
        text: str,
        read: Callable[[], float],
        *,
        combine: Literal["sum", "max"] = "sum",
        **labels: str,
    ) -> None:
        """Export what *read* returns as `falcon_auth_<name>`; call it once per set of *labels*.

        *read* is called at each scrape, from any thread; it must be fast, use no store and not
        raise. *combine* says how to combine the values of several processes.
        """
        family = self._gauge_family(name, text, tuple(labels), combine)
        child = family.labels(**labels) if labels else family
        self._readings.append(lambda: child.set(read()))

    def total(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Export the growth of what *read* returns as the counter `falcon_auth_<name>_total`.

        *read* is called as for `gauge`.
        """
        counter = self._counter(name, text)
        seen = 0.0
        lock = Lock()

        def take() -> None:
            nonlocal seen
            with lock:  # Scrapes may be concurrent.
                before, seen = seen, read()
                counter.inc(max(0, seen - before))

        self._readings.append(take)

    def watch_breaker(self, name: str, state: Callable[[], str]) -> None:
        """Export a circuit breaker's state; *state* returns `closed`, `half_open` or `open`."""
        child = self._gauges["breaker_state"].labels(name)
        self._readings.append(lambda: child.set(BREAKER_STATES[state()]))

    def sample(self) -> bool:
        """Read all gauges; return False, as a chore of housekeeping without further work.

        Processes that share a folder do this regularly, because a scrape reaches only one of them.
        """
        for take in self._readings:
            take()
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
        """Start known series at zero: Prometheus's `increase` ignores a series' first value."""
        for code in CATALOGUE:
            self._problems.labels(code)
        for name, kind in EVENTS.items():
            if kind.metric is not None:
                for values in kind.series(name):
                    self.count(kind.metric.name, values, 0)
