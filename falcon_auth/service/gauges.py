"""The gauges of what the service consists of."""

from __future__ import annotations

from collections.abc import Callable

from falcon_auth.breaker import Breaker
from falcon_auth.observability.logs import dropped_lines
from falcon_auth.observability.metrics import Metrics
from falcon_auth.passwords import HashingPool
from falcon_auth.stores.backends import Backend


def show_state(metrics: Metrics, pool: HashingPool, backend: Backend) -> None:
    """Register gauges for the hashing queue, the store, the breakers and dropped log lines."""
    metrics.gauge("hash_queue_depth", "Jobs that wait or run", lambda: pool.depth)
    metrics.gauge(
        "sessions",
        "Sessions in the store",
        lambda: backend.store.sessions.count,
        combine="max",
    )
    metrics.total("log_lines_dropped", "Lines of the log that could not be written", dropped_lines)
    metrics.gauge(
        "audit_events",
        "Events in the audit trail",
        lambda: backend.store.audit.count,
        combine="max",
    )
    for breaker in backend.breakers:
        metrics.watch_breaker(breaker.name, _state_of(breaker))


def _state_of(breaker: Breaker) -> Callable[[], str]:
    return lambda: breaker.state
