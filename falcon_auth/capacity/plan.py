"""From the expected load and the measured cost of each request to cores, writes and memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

from falcon_auth.capacity.queueing import workers_for

DAY = 86_400
QUANTILE = 0.99
# Above it, waits grow faster than load; the rest is for what nobody planned.
FULL = 0.7
# Stored bytes per record. In memory: measured with a million users with one session each. In
# PostgreSQL: rows and indexes, measured with ten million (docs/scaling.md).
MEMORY_BYTES_PER_USER = 1_000
MEMORY_BYTES_PER_SESSION = 500
DATABASE_BYTES_PER_USER = 600
DATABASE_BYTES_PER_SESSION = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What users do on an average day, and how much busier the busiest moment is."""

    users: int
    sessions: int
    logins_per_day: float
    requests_per_day: float  # Guarded requests that this service itself answers or introspects.
    active_share: float  # Of the sessions, those that are in use at the busiest moment.
    peak_factor: float
    access_minutes: float  # How long an access token lives: an active session refreshes so often.
    max_wait: float  # Seconds that 99 % of the log-ins may wait for a hashing worker.

    @property
    def logins(self) -> float:
        """Log-ins per second at the busiest moment."""
        return self.logins_per_day / DAY * self.peak_factor

    @property
    def refreshes(self) -> float:
        """Refreshes per second at the busiest moment."""
        return self.sessions * self.active_share / (self.access_minutes * 60)

    @property
    def requests(self) -> float:
        """Guarded requests per second at the busiest moment."""
        return self.requests_per_day / DAY * self.peak_factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Processor seconds of each step on one core of the machine that was measured."""

    hash: float  # One password hash at the configured cost.
    login: float  # A log-in, less its hash.
    refresh: float
    request: float
    writes_per_second: float | None = None  # Commits that the database was measured to manage.


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the busiest moment needs. Cores are whole; utilisations are shares of one."""

    load: Load
    hash_workers: int
    processes: int  # Each answers requests on one core.
    writes_per_second: float
    memory_bytes: int  # Of the in-memory store.
    database_bytes: int
    utilisation: dict[str, float]  # By resource, with the cores of this plan.

    @property
    def cores(self) -> int:
        """The cores of all machines together."""
        return self.hash_workers + self.processes

    @property
    def saturates_first(self) -> str:
        """The resource that a growing load exhausts first."""
        return max(self.utilisation, key=lambda name: self.utilisation[name])


def make_plan(load: Load, costs: Costs) -> Plan:
    """Return the smallest plan that carries the load."""
    interpreting = (
        load.logins * costs.login + load.refreshes * costs.refresh + load.requests * costs.request
    )
    workers = workers_for(load.logins, costs.hash, max_wait=load.max_wait, quantile=QUANTILE)
    workers = max(workers, math.ceil(load.logins * costs.hash / FULL))
    processes = max(1, math.ceil(interpreting / FULL))
    writes = load.logins + load.refreshes
    utilisation = {
        "password hashing": load.logins * costs.hash / workers,
        "request processing": interpreting / processes,
    }
    if costs.writes_per_second:
        utilisation["database writes"] = writes / costs.writes_per_second
    return Plan(
        load=load,
        hash_workers=workers,
        processes=processes,
        writes_per_second=writes,
        memory_bytes=load.users * MEMORY_BYTES_PER_USER + load.sessions * MEMORY_BYTES_PER_SESSION,
        database_bytes=load.users * DATABASE_BYTES_PER_USER
        + load.sessions * DATABASE_BYTES_PER_SESSION,
        utilisation=utilisation,
    )
