"""Builds the WSGI application: middleware, routes and the service."""

from __future__ import annotations

import time

import structlog

from falcon_auth.api.app import AuthApp, RenderInside
from falcon_auth.api.client_addresses import ProxyTrust
from falcon_auth.api.cors import Cors
from falcon_auth.api.guard import Guard
from falcon_auth.api.problems import handle_errors
from falcon_auth.api.request_middleware import RequestMiddleware
from falcon_auth.api.routes import add_routes
from falcon_auth.factors.recency import Recency
from falcon_auth.service.building import build_service
from falcon_auth.service.routing import routes_of
from falcon_auth.service.service import Clock, Service
from falcon_auth.settings import Settings
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.stores.memory.store import store as process_store

log = structlog.get_logger("falcon_auth.start")


class FalconAuth(AuthApp):
    """The WSGI application; `service` has its use cases, and the resources to close."""

    service: Service


def create_app(
    settings: Settings | None = None,
    *,
    clock: Clock = time.time,
    store: MemoryStore | None = None,
) -> FalconAuth:
    """Build the application.

    Without a database, users are kept in the process-wide memory store, or in *store*. Raises
    `ConfigurationError` if the settings cannot be used.
    """
    settings = settings or Settings()
    service = build_service(settings, clock, process_store if store is None else store)

    app = _make_app(validating=settings.validate_responses)
    app.service = service
    app.scopes = service.roles.declared
    trust = ProxyTrust(settings.trusted_proxies)
    app.add_middleware(
        RequestMiddleware(
            trust, app.allowed_methods, service.housekeeper.ensure_running, service.metrics
        )
    )
    app.add_middleware(Cors(settings.allowed_origins, app.allowed_methods))
    recency = Recency(settings.recent_login_minutes * 60, clock)
    app.add_middleware(
        Guard(service.sessions.authenticate, app.answers, app.requirement_for, recency)
    )
    app.add_middleware(RenderInside())
    handle_errors(app, service.events)
    add_routes(app, routes_of(service, clock))
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


def _make_app(*, validating: bool) -> FalconAuth:
    """Return the bare application, which validates its responses if *validating*."""
    if not validating:
        return FalconAuth()
    # Imported here: it loads jsonschema and the whole document.
    from falcon_auth.api.validating_app import ValidatingApp  # noqa: PLC0415

    class ValidatingFalconAuth(ValidatingApp, FalconAuth):
        """The application with response validation."""

    return ValidatingFalconAuth()
