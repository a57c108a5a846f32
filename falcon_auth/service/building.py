"""Builds the collaborators of the service; nothing else does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from falcon_auth.access.roles import Roles
from falcon_auth.accounts.administration import Administration
from falcon_auth.accounts.directory import Directory
from falcon_auth.accounts.enquiries import CHANNEL
from falcon_auth.accounts.importing import Importing
from falcon_auth.accounts.life import make_life
from falcon_auth.accounts.links import Links
from falcon_auth.accounts.login import PasswordLogin
from falcon_auth.accounts.mail_limits import MailLimits
from falcon_auth.accounts.parts import Parts
from falcon_auth.accounts.password_change import PasswordChange
from falcon_auth.accounts.password_check import PasswordCheck
from falcon_auth.accounts.registration import Registration
from falcon_auth.accounts.rules import AccountRules
from falcon_auth.accounts.user_changes import UserChanges
from falcon_auth.audit.reading import AuditReading
from falcon_auth.audit.trail import Trail, announce_to_nobody
from falcon_auth.delivery.mails import NO_MAILS, LinkTokens, Mails
from falcon_auth.errors import ConfigurationError
from falcon_auth.extras import say_missing
from falcon_auth.factors.assembly import kinds_in
from falcon_auth.factors.challenges import Challenges
from falcon_auth.factors.foundations import Foundations
from falcon_auth.factors.notices import Notices
from falcon_auth.factors.upkeep import FactorUpkeep
from falcon_auth.housekeeping import Chore, Housekeeper
from falcon_auth.keys import KeySource
from falcon_auth.observability.events import Events
from falcon_auth.observability.metrics import Metrics
from falcon_auth.observability.metrics_folder import UnfitFolderError, shared_folder
from falcon_auth.passwords import HashingPool, Passwords, make_passwords
from falcon_auth.service.audit import activity_section, audit_chores
from falcon_auth.service.factors import factor_sections, identity_section, make_factors
from falcon_auth.service.gauges import show_state
from falcon_auth.service.keys import make_keys, show_keys
from falcon_auth.service.options import (
    backend_options,
    make_codec,
    make_throttle,
    password_policy,
    registration_policy,
    session_lifetimes,
)
from falcon_auth.service.service import Clock, Service
from falcon_auth.sessions.link_tokens import PurposeTokens
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.sessions.tokens import TokenCodec
from falcon_auth.settings import Settings
from falcon_auth.stores.backends import Backend, build_backend
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.throttle.attempts import Throttle
from falcon_auth.throttle.limits import Limiter

if TYPE_CHECKING:
    from falcon_auth.providers.assembly import Providers
    from falcon_auth.service.delivery import Delivery


def build_service(settings: Settings, clock: Clock, in_memory: MemoryStore) -> Service:
    """Build the configured service; *in_memory* is the store if no database is configured.

    Raises `ConfigurationError` if the settings cannot be used.
    """
    base = _lay_groundwork(settings, clock, in_memory)
    parts, foundations = _account_parts(base), _factor_foundations(base)
    factors, upkeep = make_factors(settings, foundations), FactorUpkeep(foundations)
    audit = AuditReading(base.backend.store.audit)
    providers = _make_providers(base, parts)
    life = make_life(
        parts,
        base.tokens,
        {
            **factor_sections(factors, base.backend.store.factors),
            **({} if providers is None else identity_section(base.backend.store.identities)),
            **activity_section(audit),
        },
        None if base.delivery is None else base.delivery.dispatcher.expect,
    )
    if base.delivery is not None and life.by_mail is not None:
        base.delivery.dispatcher.add_channel(CHANNEL, life.by_mail.channel)
    show_state(base.metrics, base.pool, base.backend)
    show_keys(base.metrics, base.keys, clock)
    users, rules, events = base.backend.store.users, base.rules, base.events
    changes = UserChanges(
        base.backend.store, base.mails, base.tokens, base.trail, clock=clock, events=events
    )
    return Service(
        settings=settings,
        backend=base.backend,
        registration=_registration(base, parts),
        login=_login(base),
        password_change=_password_change(base),
        life=life,
        directory=Directory(base.backend.store, clock=clock),
        user_changes=changes,
        administration=Administration(
            users, changes, rules, base.passwords, base.trail, clock=clock, events=events
        ),
        roles=Roles(
            base.backend.store.roles, settings.scopes, trail=base.trail, clock=clock, events=events
        ),
        importing=Importing(
            users,
            base.passwords.recognises,
            base.trail,
            clock=clock,
            roles=base.backend.store.roles,
        ),
        audit=audit,
        sessions=base.sessions,
        passwords=base.passwords,
        keys=base.keys,
        codec=base.codec,
        pool=base.pool,
        housekeeper=Housekeeper(_chores(base, upkeep)),
        metrics=base.metrics,
        events=events,
        delivery=base.delivery,
        factors=factors,
        factor_upkeep=upkeep,
        providers=providers,
    )


@dataclass(frozen=True, kw_only=True)
class _Groundwork:
    """The collaborators that the capabilities share."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    events: Events
    trail: Trail
    keys: KeySource
    pool: HashingPool
    passwords: Passwords
    codec: TokenCodec
    backend: Backend
    tokens: PurposeTokens
    delivery: Delivery | None
    mails: Mails
    limiter: Limiter
    throttle: Throttle
    check: PasswordCheck
    rules: AccountRules
    challenges: Challenges
    sessions: Sessions

    @property
    def only_verified(self) -> bool:
        """Whether users can log in only once their address is verified."""
        return self.settings.email_verification == "required"


def _lay_groundwork(settings: Settings, clock: Clock, in_memory: MemoryStore) -> _Groundwork:
    metrics = _metrics()
    events = Events(metrics.count)
    keys = make_keys(settings)
    pool = HashingPool(settings.workers, settings.hash_queue_size)
    passwords = _passwords(settings, pool, metrics)
    codec = make_codec(settings, keys, clock)
    backend = _open_backend(settings, clock, in_memory)
    tokens = PurposeTokens(codec.issuer)
    delivery = _make_delivery(settings, backend, tokens, metrics, clock)
    mails = NO_MAILS if delivery is None else delivery.mails
    announce = announce_to_nobody if delivery is None else delivery.announce
    trail = Trail(backend.store.audit, clock=clock, events=events, announce=announce)
    limiter = Limiter(backend.counters, clock=clock, events=events)
    throttle = make_throttle(settings, backend.counters, limiter, clock)
    challenges = Challenges(codec.issuer, limiter, kinds_in(backend.store.factors), events=events)
    return _Groundwork(
        settings=settings,
        clock=clock,
        metrics=metrics,
        events=events,
        trail=trail,
        keys=keys,
        pool=pool,
        passwords=passwords,
        codec=codec,
        backend=backend,
        tokens=tokens,
        delivery=delivery,
        mails=mails,
        limiter=limiter,
        throttle=throttle,
        check=PasswordCheck(passwords, throttle, trail, events=events),
        rules=AccountRules(password_policy(settings)),
        challenges=challenges,
        sessions=Sessions(
            backend.store.sessions,
            codec,
            session_lifetimes(settings),
            trail,
            clock=clock,
            mails=mails,
            demand_factor=challenges.demand,
            events=events,
        ),
    )


def _passwords(settings: Settings, pool: HashingPool, metrics: Metrics) -> Passwords:
    return make_passwords(
        settings.password_hasher,
        bcrypt_rounds=settings.bcrypt_rounds,
        pool=pool,
        observe=metrics.hashed,
    )


def _account_parts(base: _Groundwork) -> Parts:
    return Parts(
        store=base.backend.store,
        links=Links(base.backend.store.users, base.codec.issuer),
        sessions=base.sessions,
        passwords=base.passwords,
        rules=base.rules,
        throttle=base.throttle,
        check=base.check,
        limits=MailLimits(base.limiter),
        mails=base.mails,
        clock=base.clock,
        trail=base.trail,
        events=base.events,
    )


def _factor_foundations(base: _Groundwork) -> Foundations:
    return Foundations(
        store=base.backend.store,
        sessions=base.sessions,
        passwords=base.check,
        throttle=base.throttle,
        challenges=base.challenges,
        notices=Notices(base.mails, base.limiter, base.trail),
        only_verified=base.only_verified,
        clock=base.clock,
        trail=base.trail,
        events=base.events,
    )


def _make_providers(base: _Groundwork, parts: Parts) -> Providers | None:
    if base.settings.providers_file is None:
        return None
    # Imported here: a service without providers has no use for Authlib and an HTTP client.
    from falcon_auth.service.providers import make_providers  # noqa: PLC0415

    return make_providers(base.settings, parts, base.codec.issuer, base.metrics)


def _registration(base: _Groundwork, parts: Parts) -> Registration:
    return Registration(parts, registration_policy(base.settings, base.mails, parts.limits))


def _login(base: _Groundwork) -> PasswordLogin:
    return PasswordLogin(
        base.backend.store.users,
        base.sessions,
        base.check,
        base.trail,
        only_verified=base.only_verified,
        events=base.events,
    )


def _password_change(base: _Groundwork) -> PasswordChange:
    return PasswordChange(
        base.backend.store.users,
        base.passwords,
        base.rules,
        base.check,
        base.trail,
        clock=base.clock,
        mails=base.mails,
        events=base.events,
    )


def _chores(base: _Groundwork, upkeep: FactorUpkeep) -> list[Chore]:
    """Return the chores of housekeeping; capabilities that are off have none."""
    chores: list[Chore] = [
        base.sessions.sweep,
        *audit_chores(base.settings, base.backend.store.audit, base.trail, base.clock),
        *base.backend.chores,
        base.metrics.sample,
    ]
    if base.settings.has_factors or base.settings.providers_file:
        chores.append(upkeep.sweep)  # Spent challenges, and spent codes of providers.
    if base.delivery is not None:
        chores.append(base.delivery.dispatcher.ensure_running)
    return chores


def _make_delivery(
    settings: Settings, backend: Backend, tokens: LinkTokens, metrics: Metrics, clock: Clock
) -> Delivery | None:
    # Imported here: a service with neither mail nor a webhook has no use for it.
    if not settings.sends_mail and settings.webhook_url is None:
        return None
    from falcon_auth.service.delivery import make_delivery  # noqa: PLC0415

    return make_delivery(settings, backend.store.outbox, tokens, metrics, clock=clock)


def _open_backend(settings: Settings, clock: Clock, in_memory: MemoryStore) -> Backend:
    try:
        return build_backend(backend_options(settings), clock, in_memory)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"DATABASE_URL, REDIS_URL: {say_missing(error)}") from None


def _metrics() -> Metrics:
    try:
        return Metrics(shared_folder())
    except UnfitFolderError as error:
        raise ConfigurationError(str(error)) from None
