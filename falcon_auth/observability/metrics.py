"""Metrics for Prometheus: what happened, how often, and how long it took.

Every label value is a route template or a fixed word, so that nobody's data gets in and nobody
can make up new series. Where PROMETHEUS_MULTIPROC_DIR names a folder, prometheus-client keeps
the values in files there, one set a process, and a scrape adds up those of all processes.
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
from falcon_auth.observability.events import EVENTS, METRICS

MEDIA_METRICS = CONTENT_TYPE_PLAIN_0_0_4  # What every Prometheus reads; no name here needs more.

# Seconds. Guarded requests take under a millisecond, log-ins a quarter of a second and, queued,
# up to several.
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
HASH_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2.5)

# Methods and routes that are not the service's own come from the client: one word for all.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "other"
NO_ROUTE = "unmatched"

BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}

# One time stamp more for each series, which nothing here asks about. It is the library's switch
# for the whole process.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one service, with a registry of their own.

    Safe to call from any thread; nothing here raises. Between processes that share a folder,
    counters add up for good; gauges are those of live processes as of their last `sample`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Take *folder* from `shared_folder`: the library reads the environment by itself."""
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

    # --- Events and durations, reported by the domain

    def count(self, name: str, values: tuple[str, ...], amount: int) -> None:
        """Count an event: a metric of `events.METRICS`, and the values of its labels in order."""
        child = self._of_event.get((name, values))
        if child is None:  # `labels` takes a lock and several times as long.
            family = self._events[name]
            child = family.labels(*values) if values else family
            self._of_event[name, values] = child
        child.inc(amount)

    def hashed(self, kind: str, seconds: float) -> None:
        """Observe the seconds of one job on a hashing worker; for `make_passwords`."""
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
        """Show what *read* returns as `falcon_auth_<name>`; once for each set of *labels*.

        *read* is called from any thread at each scrape; it must be quick, ask no store and
        not raise. *combine* says what several processes' values make.
        """
        family = self._gauge_family(name, text, tuple(labels), combine)
        child = family.labels(**labels) if labels else family
        self._readings.append(lambda: child.set(read()))

    def total(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Count as `falcon_auth_<name>_total` by how much what *read* returns has grown.

        *read* is called as for `gauge`.
        """
        counter = self._counter(name, text)
        seen = 0.0
        lock = Lock()

        def take() -> None:
            nonlocal seen
            with lock:  # Scrapes may come at once.
                before, seen = seen, read()
                counter.inc(max(0, seen - before))

        self._readings.append(take)

    def watch_breaker(self, name: str, state: Callable[[], str]) -> None:
        """Show a circuit breaker; *state* returns `closed`, `half_open` or `open`."""
        child = self._gauges["breaker_state"].labels(name)
        self._readings.append(lambda: child.set(BREAKER_STATES[state()]))

    def sample(self) -> bool:
        """Read all gauges; return False: as a chore of housekeeping, it has nothing left to do.

        A process that shares a folder does this now and then, since scrapes reach only one.
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
        """Start known series at zero: `increase` of Prometheus misses a new one's first step."""
        for code in CATALOGUE:
            self._problems.labels(code)
        for kind in EVENTS.values():
            if kind.metric is not None:
                for values in kind.series():
                    self.count(kind.metric.name, values, 0)
