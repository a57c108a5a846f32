"""Which store, and which counters of attempts, the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from pydantic import SecretStr

from falcon_auth.accounts import UserStore
from falcon_auth.housekeeping import Chore
from falcon_auth.sessions import SessionStore
from falcon_auth.settings import ConfigurationError, Settings
from falcon_auth.stores.counters import MemoryCounters
from falcon_auth.stores.memory import MemoryStore
from falcon_auth.stores.snapshot import Snapshot, SnapshotError
from falcon_auth.throttle import Counters

if TYPE_CHECKING:
    from falcon_auth.stores.breaker import Breaker

MEMORY_LIMITS = "lost on restart, one process"
SNAPSHOT_LIMITS = "snapshot file, one process; a crash loses the last seconds"

log = structlog.get_logger("falcon_auth.start")

Clock = Callable[[], float]
Check = Callable[[], dict[str, Any]]  # Returns a mapping with `status`, and what else is to say.


class Store(UserStore, SessionStore, Protocol):
    """Where users and sessions live."""


@dataclass
class Backend:
    """What outlives requests: the store, the counters of attempts, and how they are kept up."""

    store: Store
    counters: Counters
    session_count: Callable[[], float]  # Quick, perhaps of a moment ago.
    snapshot: Snapshot | None = None
    breakers: list[Breaker] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)
    chores: list[Chore] = field(default_factory=list)
    closers: list[Callable[[], object]] = field(default_factory=list)


def build_backend(settings: Settings, clock: Clock, in_memory: MemoryStore) -> Backend:
    """Open the store and the counters; *in_memory* is the store where no database is named.

    Raises `ConfigurationError` where they cannot be used.
    """
    if settings.database_url is None:
        backend = _memory_backend(settings, clock, in_memory)
    else:
        backend = _sql_backend(settings, settings.database_url, clock)
    if settings.redis_url is not None:
        _count_in_redis(backend, settings, settings.redis_url, clock)
    return backend


def _memory_backend(settings: Settings, clock: Clock, store: MemoryStore) -> Backend:
    backend = Backend(store, MemoryCounters(clock=clock), lambda: store.session_count)
    limits = MEMORY_LIMITS
    snapshot = _load_snapshot(settings, store)
    if snapshot is not None:
        limits = SNAPSHOT_LIMITS
        backend.snapshot = snapshot
        backend.chores.append(lambda: snapshot.write() and False)
        backend.closers.append(lambda: _close_snapshot(snapshot))
    backend.checks["store"] = lambda: {"status": "ok", "kind": "memory", "limits": limits}
    return backend


def _sql_backend(settings: Settings, url: SecretStr, clock: Clock) -> Backend:
    # Imported here: loading SQLAlchemy would double the time that a start in memory takes.
    from falcon_auth.stores.database import DatabaseUrlError  # noqa: PLC0415
    from falcon_auth.stores.opening import DatabaseUnfitError, open_database  # noqa: PLC0415
    from falcon_auth.stores.sql import SqlStore  # noqa: PLC0415
    from falcon_auth.stores.sql_counters import SqlCounters  # noqa: PLC0415

    try:
        database = open_database(
            url.get_secret_value(),
            pool_size=settings.database_max_pool_size,
            threshold=settings.circuit_breaker_threshold,
            timeout=settings.circuit_breaker_timeout,
        )
    except (DatabaseUrlError, DatabaseUnfitError) as error:
        raise ConfigurationError(f"DATABASE_URL: {error}") from None
    store = SqlStore(database)
    counters = SqlCounters(database, clock=clock)
    return Backend(
        store,
        counters,
        lambda: store.session_count,
        breakers=[database.breaker],
        checks={"store": database.describe},
        chores=[counters.sweep, store.count_sessions],
        closers=[database.close],
    )


def _count_in_redis(backend: Backend, settings: Settings, url: SecretStr, clock: Clock) -> None:
    from falcon_auth.stores.breaker import Breaker  # noqa: PLC0415 - only where it is used
    from falcon_auth.stores.redis_counters import (  # noqa: PLC0415
        FallbackCounters,
        RedisCounters,
    )

    try:
        shared = RedisCounters(url.get_secret_value(), clock=clock)
    except ValueError:
        raise ConfigurationError("REDIS_URL: is no Redis URL") from None
    breaker = Breaker(
        "redis",
        threshold=settings.circuit_breaker_threshold,
        timeout=settings.circuit_breaker_timeout,
    )
    counters = FallbackCounters(shared, breaker, MemoryCounters(clock=clock))
    backend.counters = counters
    backend.breakers.append(breaker)
    backend.checks["counters"] = counters.describe
    backend.closers.append(counters.close)


def _load_snapshot(settings: Settings, store: MemoryStore) -> Snapshot | None:
    if settings.snapshot_file is None:
        return None
    snapshot = Snapshot(settings.snapshot_file, store)
    try:
        snapshot.load()
    except SnapshotError as error:
        raise ConfigurationError(str(error)) from None
    return snapshot


def _close_snapshot(snapshot: Snapshot) -> None:
    try:
        snapshot.close()
    except OSError as error:
        log.error("snapshot_failed", error=error.strerror)  # noqa: TRY400 - the word is enough
