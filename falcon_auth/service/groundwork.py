"""Builds the collaborators that the capabilities share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from falcon_auth.accounts.password_check import PasswordCheck
from falcon_auth.accounts.rules import AccountRules
from falcon_auth.audit.trail import Trail, announce_to_nobody
from falcon_auth.delivery.mails import NO_MAILS, LinkTokens, Mails
from falcon_auth.errors import ConfigurationError
from falcon_auth.extras import say_missing
from falcon_auth.factors.assembly import kinds_in
from falcon_auth.factors.challenges import Challenges
from falcon_auth.keys import KeySource
from falcon_auth.observability.events import Events
from falcon_auth.observability.metrics import Metrics
from falcon_auth.observability.metrics_folder import UnfitFolderError, shared_folder
from falcon_auth.passwords import HashingPool, Passwords, make_passwords
from falcon_auth.service.keys import make_keys
from falcon_auth.service.options import (
    backend_options,
    make_codec,
    make_throttle,
    password_policy,
    session_lifetimes,
)
from falcon_auth.service.service import Clock
from falcon_auth.sessions.link_tokens import PurposeTokens
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.sessions.tokens import TokenCodec
from falcon_auth.settings import Settings
from falcon_auth.stores.backends import Backend, build_backend
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.throttle.attempts import Throttle
from falcon_auth.throttle.limits import Limiter

if TYPE_CHECKING:
    from falcon_auth.service.delivery import Delivery


@dataclass(frozen=True, kw_only=True)
class Groundwork:
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


def lay_groundwork(settings: Settings, clock: Clock, in_memory: MemoryStore) -> Groundwork:
    """Build what all capabilities share. Raises `ConfigurationError`."""
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
    return Groundwork(
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
