"""The one place that builds the collaborators and puts them together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from falcon_auth.accounts import Accounts
from falcon_auth.administration import Administration
from falcon_auth.api import oauth, operations, resources
from falcon_auth.api.addresses import ProxyTrust
from falcon_auth.api.app import AuthApp, RenderInside
from falcon_auth.api.checked import CheckedApp
from falcon_auth.api.cors import Cors
from falcon_auth.api.documents import documents
from falcon_auth.api.exchange import Exchange
from falcon_auth.api.guard import Guard
from falcon_auth.api.problems import handle_errors
from falcon_auth.api.routes import add_routes
from falcon_auth.credentials import ServiceCredentials
from falcon_auth.events import Events
from falcon_auth.housekeeping import Housekeeper
from falcon_auth.importing import Importing
from falcon_auth.key_setup import describe_keys, make_keys, show_keys
from falcon_auth.keys import KeySource
from falcon_auth.keys.live import LiveKeys
from falcon_auth.metrics import FOLDER_VARIABLE, Metrics, shared_folder
from falcon_auth.passwords import HashingPool, PasswordPolicy, Passwords, make_passwords
from falcon_auth.sessions import Lifetimes, Sessions
from falcon_auth.settings import ConfigurationError, Settings
from falcon_auth.stores import memory
from falcon_auth.stores.backends import Backend, Check, Store, build_backend
from falcon_auth.throttle import Counters, CountingThrottle, NoThrottle, Throttle
from falcon_auth.tokens import TokenCodec

SECONDS_PER_DAY = 24 * 3600
DRAIN_SECONDS = 30.0  # For hashes that run when the service closes.

log = structlog.get_logger("falcon_auth.start")

Clock = Callable[[], float]


@dataclass
class Service:
    """What one application is made of. `close` it when nothing is served any more."""

    settings: Settings
    backend: Backend
    accounts: Accounts
    administration: Administration
    importing: Importing
    sessions: Sessions
    passwords: Passwords
    keys: KeySource
    codec: TokenCodec
    pool: HashingPool
    housekeeper: Housekeeper
    metrics: Metrics
    draining: bool = field(default=False, init=False)

    @property
    def store(self) -> Store:
        """Where users and sessions live."""
        return self.backend.store

    def describe_store(self) -> dict[str, Any]:
        """Say what the store is and what it cannot do."""
        described = self.backend.checks["store"]()
        return {name: value for name, value in described.items() if name != "status"}

    def drain(self) -> None:
        """Tell balancers, by readiness, that no more work is wanted."""
        self.draining = True

    def reload_keys(self) -> None:
        """Have the keys of JWT_KEY_DIRECTORY read again. Safe in a signal handler."""
        if isinstance(self.keys, LiveKeys):
            self.keys.look_soon()

    def close(self) -> None:
        """Finish the hashes that run, stop the threads, write the snapshot, let connections go."""
        self.pool.close(DRAIN_SECONDS)
        self.housekeeper.stop()
        for close in self.backend.closers:
            close()

    def checks(self, clock: Clock) -> dict[str, Check]:
        """Return what readiness looks at."""
        return {
            **self.backend.checks,
            "keys": lambda: describe_keys(self.keys, clock()),
            "hashing": lambda: {"status": "ok", "depth": self.pool.depth},
            "server": lambda: {"status": "draining" if self.draining else "ok"},
        }


class FalconAuth(AuthApp):
    """The WSGI application; `service` holds what stands behind it."""

    service: Service


class CheckedFalconAuth(CheckedApp, FalconAuth):
    """The same, with every answer held against the contract: VALIDATE_RESPONSES."""


def create_app(
    settings: Settings | None = None,
    *,
    clock: Clock = time.time,
    store: memory.MemoryStore | None = None,
) -> FalconAuth:
    """Build the application.

    Without a database, users live in the process-wide memory store unless *store* is given.
    Raises `ConfigurationError` where the settings make no service.
    """
    settings = settings or Settings()
    service = _build_service(settings, clock, memory.store if store is None else store)

    app = CheckedFalconAuth() if settings.validate_responses else FalconAuth()
    app.service = service
    trust = ProxyTrust(settings.trusted_proxies)
    app.add_middleware(
        Exchange(trust, app.allowed_methods, service.housekeeper.ensure_running, service.metrics)
    )
    app.add_middleware(Cors(settings.allowed_origins, app.allowed_methods))
    app.add_middleware(Guard(service.sessions.authenticate, app.answers))
    app.add_middleware(RenderInside())
    handle_errors(app, service.metrics.token_rejected)
    add_routes(app, {**_resources(service, clock), **documents()})
    app.service_routes = frozenset(app.methods)
    log.info(
        "service_built",
        environment=settings.environment,
        store=service.describe_store(),
        signing=service.keys.current().signing_key.algorithm,
        hashing=settings.password_hasher,
        workers=settings.workers,
    )
    return app


def _build_service(settings: Settings, clock: Clock, in_memory: memory.MemoryStore) -> Service:
    metrics = _metrics()
    keys = make_keys(settings)
    pool = HashingPool(settings.workers, settings.hash_queue_size)
    passwords = make_passwords(
        settings.password_hasher,
        bcrypt_rounds=settings.bcrypt_rounds,
        pool=pool,
        observe=metrics.hashed,
    )
    codec = TokenCodec(
        keys,
        clock=clock,
        access_seconds=settings.access_token_expire_minutes * 60,
        leeway_seconds=settings.jwt_leeway_seconds,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )
    backend = build_backend(settings, clock, in_memory)
    sessions = Sessions(backend.store, codec, _lifetimes(settings), clock=clock, events=metrics)
    accounts = Accounts(
        backend.store,
        sessions,
        passwords,
        PasswordPolicy(settings.password_min_length, complex=settings.asks_for_classes),
        _throttle(settings, backend.counters, clock, metrics),
        clock=clock,
        events=metrics,
    )
    metrics.gauge("hash_queue_depth", "Jobs that wait or run", lambda: pool.depth)
    metrics.gauge("sessions", "Sessions in the store", backend.session_count, combine="max")
    for breaker in backend.breakers:
        metrics.watch_breaker(breaker.name, partial(getattr, breaker, "state"))
    show_keys(metrics, keys, clock)
    return Service(
        settings=settings,
        backend=backend,
        accounts=accounts,
        administration=Administration(backend.store, accounts, passwords, clock=clock),
        importing=Importing(backend.store, passwords.recognises, clock=clock),
        sessions=sessions,
        passwords=passwords,
        keys=keys,
        codec=codec,
        pool=pool,
        housekeeper=Housekeeper([sessions.sweep, *backend.chores, metrics.sample]),
        metrics=metrics,
    )


def _resources(service: Service, clock: Clock) -> dict[str, object]:
    accounts, sessions, settings = service.accounts, service.sessions, service.settings
    credentials = ServiceCredentials(settings.introspection_tokens)
    routes: dict[str, object] = {
        "/api/v1/auth/register": resources.Register(accounts),
        "/api/v1/auth/login": resources.Login(accounts),
        "/api/v1/auth/refresh": resources.Refresh(sessions),
        "/api/v1/auth/logout": resources.Logout(sessions),
        "/api/v1/auth/sessions": resources.SessionList(sessions),
        "/api/v1/auth/sessions/{session_id}": resources.SessionItem(sessions),
        "/api/v1/auth/password": resources.Password(accounts),
        "/api/v1/auth/introspect": oauth.Introspect(sessions, credentials, service.codec.fixed),
        "/api/v1/auth/revoke": oauth.Revoke(sessions),
        "/.well-known/jwks.json": oauth.Jwks(service.keys),
        "/api/v1/protected/profile": resources.Profile(),
        "/protected": resources.Protected(),
        "/health": resources.Health(clock),
        "/health/ready": resources.Ready(service.checks(clock)),
    }
    if settings.metrics_token or settings.environment != "production":
        # Elsewhere the path is as unknown as any other: figures are not for everyone.
        routes["/metrics"] = operations.Scrape(service.metrics, settings.metrics_token)
    return routes


def _lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        refresh=settings.refresh_token_expire_days * SECONDS_PER_DAY,
        session=settings.session_max_days * SECONDS_PER_DAY,
        grace=settings.refresh_reuse_grace_seconds,
        leeway=settings.jwt_leeway_seconds,
        per_user=settings.sessions_per_user,
    )


def _metrics() -> Metrics:
    try:
        return Metrics(shared_folder())
    except NotADirectoryError:
        raise ConfigurationError(f"{FOLDER_VARIABLE}: is not a folder") from None


def _throttle(settings: Settings, counters: Counters, clock: Clock, events: Events) -> Throttle:
    if not settings.rate_limit_enabled:
        return NoThrottle()
    return CountingThrottle(
        counters,
        failures=settings.rate_limit_requests,
        registrations=settings.rate_limit_registrations,
        window_seconds=settings.rate_limit_window,
        clock=clock,
        events=events,
    )
