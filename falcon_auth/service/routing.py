"""Which routes a service has: those of its capabilities that are switched on."""

from __future__ import annotations

from urllib.parse import urlsplit

import structlog

from falcon_auth.api import routes
from falcon_auth.api.refresh_cookie import RefreshCookie
from falcon_auth.api.resources.factors import factor_routes
from falcon_auth.errors import ConfigurationError
from falcon_auth.keys.service_credentials import ServiceCredentials
from falcon_auth.pages.look import DEFAULT_NAME, Look
from falcon_auth.pages.site import ACCOUNT, Offer, pages
from falcon_auth.service.service import Clock, Service

log = structlog.get_logger("falcon_auth.start")


def routes_of(service: Service, clock: Clock) -> routes.Routes:
    """Return every resource by its path. Raises `ConfigurationError` for the pages' settings."""
    settings, life = service.settings, service.life
    cookie = RefreshCookie(
        own_origins=settings.own_origins,
        listed_origins=settings.allowed_origins,
        base_path=urlsplit(settings.public_base).path,
    )
    credentials = ServiceCredentials(settings.introspection_tokens)
    return {
        **routes.account_routes(
            service.registration, service.login, service.password_change, cookie
        ),
        **routes.life_routes(life),
        **routes.role_routes(service.roles),
        **routes.session_routes(service.sessions, cookie),
        **routes.audit_routes(service.audit),
        **routes.administration_routes(service.directory, life.inviting, service.user_changes),
        **routes.example_routes(),
        **routes.verifier_routes(service.sessions, credentials, service.keys, settings.jwt_issuer),
        **routes.proxy_routes(),
        **routes.operation_routes(clock, service.checks(clock)),
        **_optional_routes(service, cookie),
        **routes.document_routes(
            root_leads_to=ACCOUNT if settings.serves_pages else "/docs",
            without=_fragments_left_out(service),
        ),
    }


def _optional_routes(service: Service, cookie: RefreshCookie) -> routes.Routes:
    settings, by_mail = service.settings, service.life.by_mail
    found: routes.Routes = {}
    if by_mail is not None:
        found |= routes.mail_routes(by_mail, service.sessions.authenticate)
    if settings.jwt_issuer is not None and settings.issuer_path is not None:
        found |= routes.metadata_routes(
            settings.jwt_issuer,
            settings.issuer_path,
            settings.public_base,
            service.roles.declared,
        )
    # In production, metrics are not public: without METRICS_TOKEN the path does not exist.
    if settings.metrics_token or settings.environment != "production":
        found |= routes.metrics_routes(service.metrics, settings.metrics_token)
    if service.factors is not None:
        found |= factor_routes(service.factors, cookie)
    if service.providers is not None:
        # Imported here: it loads Authlib.
        from falcon_auth.api.resources.providers import provider_routes  # noqa: PLC0415

        found |= provider_routes(service.providers, cookie, settings.public_base)
    if settings.serves_pages:
        found |= _pages(service)
    return found


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
