"""The service: everything that one application consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from falcon_auth.access.roles import Roles
from falcon_auth.accounts.administration import Administration
from falcon_auth.accounts.directory import Directory
from falcon_auth.accounts.importing import Importing
from falcon_auth.accounts.life import Life
from falcon_auth.accounts.login import PasswordLogin
from falcon_auth.accounts.password_change import PasswordChange
from falcon_auth.accounts.registration import Registration
from falcon_auth.accounts.user_changes import UserChanges
from falcon_auth.audit.reading import AuditReading
from falcon_auth.delivery.mails import NO_MAILS, Mails
from falcon_auth.factors.assembly import Factors
from falcon_auth.factors.upkeep import FactorUpkeep
from falcon_auth.housekeeping import Housekeeper
from falcon_auth.keys import KeySource
from falcon_auth.keys.live import LiveKeys
from falcon_auth.observability.events import Events
from falcon_auth.observability.metrics import Metrics
from falcon_auth.passwords import HashingPool, Passwords
from falcon_auth.service.keys import describe_keys
from falcon_auth.sessions.sessions import Sessions
from falcon_auth.sessions.tokens import TokenCodec
from falcon_auth.settings import Settings
from falcon_auth.store import Store
from falcon_auth.stores.backends import Backend, Check

if TYPE_CHECKING:
    from falcon_auth.providers.assembly import Providers
    from falcon_auth.service.delivery import Delivery

DRAIN_SECONDS = 30.0  # For hashes that are running when the service closes.

Clock = Callable[[], float]


@dataclass
class Service:
    """Everything that one application consists of. Call `close` when serving has ended."""

    settings: Settings
    backend: Backend
    registration: Registration
    login: PasswordLogin
    password_change: PasswordChange
    life: Life
    directory: Directory
    user_changes: UserChanges
    administration: Administration
    roles: Roles
    importing: Importing
    audit: AuditReading
    sessions: Sessions
    passwords: Passwords
    keys: KeySource
    codec: TokenCodec
    pool: HashingPool
    housekeeper: Housekeeper
    metrics: Metrics
    events: Events
    delivery: Delivery | None  # None if mail is off.
    factors: Factors | None  # None if second factors are off.
    factor_upkeep: FactorUpkeep
    providers: Providers | None  # None without PROVIDERS_FILE.
    draining: bool = field(default=False, init=False)

    @property
    def store(self) -> Store:
        """Where users and sessions live."""
        return self.backend.store

    @property
    def mails(self) -> Mails:
        """The builder of mails; it builds none if mail is off."""
        return NO_MAILS if self.delivery is None else self.delivery.mails

    def describe_store(self) -> dict[str, Any]:
        """Return the store's kind and limits, as in readiness."""
        described = self.backend.checks["store"]()
        return {name: value for name, value in described.items() if name != "status"}

    def drain(self) -> None:
        """Make readiness fail, so that load balancers send no more requests."""
        self.draining = True

    def reload_keys(self) -> None:
        """Reload the keys of JWT_KEY_DIRECTORY at their next use. Safe in a signal handler."""
        if isinstance(self.keys, LiveKeys):
            self.keys.reload_soon()

    def close(self) -> None:
        """Finish running hashes, stop threads, write the snapshot, close connections."""
        self.pool.close(DRAIN_SECONDS)
        self.housekeeper.stop()
        if self.delivery is not None:
            self.delivery.dispatcher.stop()
        for close in self.backend.closers:
            close()

    def checks(self, clock: Clock) -> dict[str, Check]:
        """Return the checks of readiness, by name."""
        return {
            **self.backend.checks,
            "keys": lambda: describe_keys(self.keys, clock()),
            "hashing": lambda: {"status": "ok", "depth": self.pool.depth},
            "server": lambda: {"status": "draining" if self.draining else "ok"},
        }
