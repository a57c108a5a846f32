"""Translates the settings into each collaborator's arguments."""

from __future__ import annotations

from pydantic import SecretStr

from falcon_auth.accounts.mail_limits import MailLimits
from falcon_auth.accounts.registration import Confirmation, RegistrationPolicy
from falcon_auth.delivery.mails import Mails
from falcon_auth.keys import KeySource
from falcon_auth.passwords import Guessing, PasswordPolicy
from falcon_auth.service.service import Clock
from falcon_auth.sessions.lifetimes import Lifetimes
from falcon_auth.sessions.tokens import TokenCodec
from falcon_auth.settings import Settings
from falcon_auth.stores.backends import BackendOptions
from falcon_auth.throttle.attempts import CountingThrottle, NoThrottle, Throttle
from falcon_auth.throttle.counters import Counters
from falcon_auth.throttle.limits import Limiter

SECONDS_PER_DAY = 24 * 3600


def make_codec(settings: Settings, keys: KeySource, clock: Clock) -> TokenCodec:
    """Return the codec that issues and verifies tokens."""
    return TokenCodec(
        keys,
        clock=clock,
        access_seconds=settings.access_token_expire_minutes * 60,
        leeway_seconds=settings.jwt_leeway_seconds,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        subject=settings.jwt_subject,
    )


def backend_options(settings: Settings) -> BackendOptions:
    """Return the options for opening the store and the counters."""
    return BackendOptions(
        database_url=_revealed(settings.database),
        database_pool_size=settings.database_max_pool_size,
        audit_chain=settings.audit_chain,
        redis_url=_revealed(settings.redis_url),
        snapshot_file=settings.snapshot_file,
        breaker_threshold=settings.circuit_breaker_threshold,
        breaker_timeout=settings.circuit_breaker_timeout,
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def password_policy(settings: Settings) -> PasswordPolicy:
    """Return the configured password policy."""
    guessing = Guessing("Falcon Auth", settings.jwt_issuer)
    return PasswordPolicy(settings.password_min_length, settings.asks_for_classes, guessing)


def session_lifetimes(settings: Settings) -> Lifetimes:
    """Return the lifetimes of sessions and refresh tokens, in seconds."""
    return Lifetimes(
        refresh=settings.refresh_token_expire_days * SECONDS_PER_DAY,
        session=settings.session_max_days * SECONDS_PER_DAY,
        grace=settings.refresh_reuse_grace_seconds,
        leeway=settings.jwt_leeway_seconds,
        per_user=settings.sessions_per_user,
    )


def registration_policy(settings: Settings, mails: Mails, limits: MailLimits) -> RegistrationPolicy:
    """Return whether registration is open, and how addresses are confirmed."""
    confirmation = None
    if settings.email_verification != "off":
        required = settings.email_verification == "required"
        confirmation = Confirmation(mails, limits, required)
    return RegistrationPolicy(settings.registration == "open", confirmation)


def make_throttle(
    settings: Settings, counters: Counters, limiter: Limiter, clock: Clock
) -> Throttle:
    """Return the throttle; one without limits if they are switched off."""
    if not settings.rate_limit_enabled:
        return NoThrottle()
    return CountingThrottle(
        counters,
        limiter,
        failures=settings.rate_limit_requests,
        registrations=settings.rate_limit_registrations,
        window_seconds=settings.rate_limit_window,
        clock=clock,
    )
