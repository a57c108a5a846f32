"""Opens the store and the counters that the options name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from falcon_auth.errors import ConfigurationError, DatabaseAwayError
from falcon_auth.housekeeping import Chore
from falcon_auth.store import Store
from falcon_auth.stores.memory.counters import MemoryCounters
from falcon_auth.stores.memory.snapshot import Snapshot, SnapshotError
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.throttle.counters import Counters

if TYPE_CHECKING:
    from falcon_auth.breaker import Breaker
    from falcon_auth.store.audit_chain import AuditChain

MEMORY_LIMITS = "lost on restart, one process"
SNAPSHOT_LIMITS = "snapshot file, one process; a crash loses the last seconds"

log = structlog.get_logger("falcon_auth.start")

Clock = Callable[[], float]
Check = Callable[[], dict[str, Any]]  # Returns a mapping with `status` and further details.


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOptions:
    """Where to keep users and counters. Its repr shows no URL, which may contain a password."""

    database_url: str | None = field(default=None, repr=False)  # None: in memory.
    database_pool_size: int = 20
    audit_chain: bool = False
    redis_url: str | None = field(default=None, repr=False)
    snapshot_file: Path | None = None
    breaker_threshold: int = 5  # Outages in a row.
    breaker_timeout: int = 30  # Seconds.


@dataclass
class Backend:
    """The store and the counters, with their breakers, chores and functions to close them."""

    store: Store
    counters: Counters
    snapshot: Snapshot | None = None
    audit_chain: AuditChain | None = None  # None in memory, where nobody else can write.
    breakers: list[Breaker] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)
    chores: list[Chore] = field(default_factory=list)
    closers: list[Callable[[], object]] = field(default_factory=list)


def build_backend(options: BackendOptions, clock: Clock, in_memory: MemoryStore) -> Backend:
    """Open the store and the counters; *in_memory* is the store if no database is configured.

    Raises `ConfigurationError` where they cannot be used.
    """
    if options.database_url is None:
        backend = _memory_backend(options, clock, in_memory)
    else:
        backend = _sql_backend(options, options.database_url, clock)
    if options.redis_url is not None:
        _count_in_redis(backend, options, options.redis_url, clock)
    return backend


def _memory_backend(options: BackendOptions, clock: Clock, store: MemoryStore) -> Backend:
    backend = Backend(store, MemoryCounters(clock=clock))
    limits = MEMORY_LIMITS
    snapshot = _load_snapshot(options, store)
    if snapshot is not None:
        limits = SNAPSHOT_LIMITS
        backend.snapshot = snapshot
        backend.chores.append(snapshot.write_once)
        backend.closers.append(lambda: _close_snapshot(snapshot))
    backend.checks["store"] = lambda: {"status": "ok", "kind": "memory", "limits": limits}
    return backend


def _sql_backend(options: BackendOptions, url: str, clock: Clock) -> Backend:
    # Imported here: loading SQLAlchemy would double the start-up time of a service in memory.
    from falcon_auth.stores.sql.audit_chain import SqlAuditChain  # noqa: PLC0415
    from falcon_auth.stores.sql.counters import SqlCounters  # noqa: PLC0415
    from falcon_auth.stores.sql.database import DatabaseUrlError  # noqa: PLC0415
    from falcon_auth.stores.sql.opening import (  # noqa: PLC0415
        DatabaseSilentError,
        DatabaseUnfitError,
        open_database,
    )
    from falcon_auth.stores.sql.store import SqlStore  # noqa: PLC0415

    try:
        database = open_database(
            url,
            pool_size=options.database_pool_size,
            threshold=options.breaker_threshold,
            timeout=options.breaker_timeout,
            chained=options.audit_chain,
        )
    except DatabaseSilentError as error:
        raise DatabaseAwayError(f"DATABASE_URL: {error}") from None
    except (DatabaseUrlError, DatabaseUnfitError) as error:
        raise ConfigurationError(f"DATABASE_URL: {error}") from None
    store = SqlStore(database)
    counters = SqlCounters(database, clock=clock)
    return Backend(
        store,
        counters,
        audit_chain=SqlAuditChain(database),
        breakers=[database.breaker],
        checks={"store": database.describe},
        chores=[
            counters.sweep,
            store.sessions.recount,
            store.audit.recount,
            store.audit.erase,
        ],
        closers=[database.close],
    )


def _count_in_redis(backend: Backend, options: BackendOptions, url: str, clock: Clock) -> None:
    from falcon_auth.breaker import Breaker  # noqa: PLC0415 - only where it is used
    from falcon_auth.stores.redis_counters import (  # noqa: PLC0415
        FallbackCounters,
        RedisCounters,
    )

    try:
        shared = RedisCounters(url, clock=clock)
    except ValueError:
        raise ConfigurationError("REDIS_URL: is not a Redis URL") from None
    breaker = Breaker("redis", threshold=options.breaker_threshold, timeout=options.breaker_timeout)
    counters = FallbackCounters(shared, breaker, MemoryCounters(clock=clock))
    backend.counters = counters
    backend.breakers.append(breaker)
    backend.checks["counters"] = counters.describe
    backend.closers.append(counters.close)


def _load_snapshot(options: BackendOptions, store: MemoryStore) -> Snapshot | None:
    if options.snapshot_file is None:
        return None
    snapshot = Snapshot(options.snapshot_file, store)
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
