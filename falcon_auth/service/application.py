"""Builds the WSGI application: middleware, routes and the service."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import structlog

from falcon_auth.api import routes
from falcon_auth.api.app import AuthApp, RenderInside
from falcon_auth.api.client_addresses import ProxyTrust
from falcon_auth.api.cors import Cors
from falcon_auth.api.guard import Guard
from falcon_auth.api.problems import handle_errors
from falcon_auth.api.refresh_cookie import RefreshCookie
from falcon_auth.api.request_middleware import RequestMiddleware
from falcon_auth.api.resources.factors import factor_routes
from falcon_auth.errors import ConfigurationError
from falcon_auth.factors.recency import Recency
from falcon_auth.keys.service_credentials import ServiceCredentials
from falcon_auth.pages.look import DEFAULT_NAME, Look
from falcon_auth.pages.site import ACCOUNT, Offer, pages
from falcon_auth.service.building import build_service
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
    routes.add_routes(app, _routes(service, clock))
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


def _routes(service: Service, clock: Clock) -> routes.Routes:
    settings, life = service.settings, service.life
    cookie = RefreshCookie(
        own_origins=settings.own_origins,
        listed_origins=settings.allowed_origins,
        base_path=urlsplit(settings.public_base).path,
    )
    return {
        **routes.account_routes(
            service.registration, service.login, service.password_change, cookie
        ),
        **routes.life_routes(life),
        **(routes.mail_routes(life.by_mail, service.sessions.authenticate) if life.by_mail else {}),
        **routes.role_routes(service.roles),
        **routes.session_routes(service.sessions, cookie),
        **routes.audit_routes(service.audit),
        **routes.administration_routes(service.directory, life.inviting, service.user_changes),
        **routes.example_routes(),
        **routes.verifier_routes(
            service.sessions,
            ServiceCredentials(settings.introspection_tokens),
            service.keys,
            settings.jwt_issuer,
        ),
        **(
            routes.metadata_routes(
                settings.jwt_issuer,
                settings.issuer_path,
                settings.public_base,
                service.roles.declared,
            )
            if settings.jwt_issuer is not None and settings.issuer_path is not None
            else {}
        ),
        **routes.proxy_routes(),
        **routes.operation_routes(clock, service.checks(clock)),
        # In production, metrics are not public: without METRICS_TOKEN the path does not exist.
        **(
            routes.metrics_routes(service.metrics, settings.metrics_token)
            if settings.metrics_token or settings.environment != "production"
            else {}
        ),
        **(factor_routes(service.factors, cookie) if service.factors else {}),
        **_provider_routes(service, cookie),
        **(_pages(service) if settings.serves_pages else {}),
        **routes.document_routes(
            root_leads_to=ACCOUNT if settings.serves_pages else "/docs",
            without=_fragments_left_out(service),
        ),
    }


def _pages(service: Service) -> routes.Routes:
    settings = service.settings
    offer = Offer(
        registration=settings.registration == "open",
        mail=service.life.by_mail is not None,
        factors=service.factors is not None,
        providers=service.providers is not None,
    )
    try:
        look = Look(settings.pages_name or DEFAULT_NAME, settings.pages_logo, settings.pages_color)
        return dict(pages(offer, look))
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _provider_routes(service: Service, cookie: RefreshCookie) -> routes.Routes:
    if service.providers is None:
        return {}
    # Imported here: it loads Authlib.
    from falcon_auth.api.resources.providers import provider_routes  # noqa: PLC0415

    return provider_routes(service.providers, cookie, service.settings.public_base)


def _fragments_left_out(service: Service) -> tuple[str, ...]:
    """Return the fragments of the OpenAPI document whose capabilities are switched off."""
    settings = service.settings
    on = {
        "pages": settings.serves_pages,
        "mail": service.life.by_mail is not None,
        "factors": service.factors is not None,
        "providers": service.providers is not None,
        "metadata": settings.jwt_issuer is not None and settings.issuer_path is not None,
        "webhooks": settings.webhook_url is not None,
    }
    return tuple(name for name, is_on in on.items() if not is_on)
