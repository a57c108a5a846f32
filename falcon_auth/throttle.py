"""Attempts and their limits: guessing passwords is slow, and nobody locks a victim out cheaply.

Failed attempts are counted per account with client address, per address, and per account
across addresses, in fixed windows. Right and wrong passwords are refused alike once a limit
is reached (OWASP ASVS 5.0, 6.3.1).
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import structlog
from limits import RateLimitItemPerSecond
from limits.storage import Storage

from falcon_auth.errors import RateLimitedError
from falcon_auth.events import NO_EVENTS, Events

PER_ADDRESS = 10  # Times the limit of one account from one address: a shared network's worth.
PER_ACCOUNT = 20  # Times the same: to lock a victim out takes this many addresses.
# IPv4 clients as a network without IPv4 sees them (RFC 6052): the last 32 bits are the client's.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
IPV4_BITS = 0xFFFF_FFFF
IPV6_PREFIX = 64  # The least that a subscriber gets: single addresses would count nothing.

# The limits by name, as log and metrics have them.
LIMITS = PAIR, ADDRESS, ACCOUNT, REGISTRATION = (
    "login-pair",
    "login-address",
    "login-account",
    "registration",
)

log = structlog.get_logger("falcon_auth.throttle")


class Throttle(Protocol):
    """Counts attempts. Safe to call from any thread; each count is one atomic step.

    *account* is an e-mail key, *ip* the client's address where it is known.
    """

    def check_login(self, account: str, ip: str | None) -> None:
        """Refuse with `RateLimitedError` where a limit is reached already. Counts nothing."""

    def count_failure(self, account: str, ip: str | None) -> None:
        """Count a failed attempt; raises `RateLimitedError` where it came after the limit."""

    def count_success(self, account: str, ip: str | None) -> None:
        """Forget the failures of the account from this address, unless a limit is reached.

        Raises `RateLimitedError` in that case: guesses sent all at once gain nothing.
        """

    def count_registration(self, ip: str | None) -> None:
        """Count a registration; raises `RateLimitedError` beyond the limit."""


class Window(NamedTuple):
    """A counter as it stands; `ends_at` is in epoch seconds."""

    hits: int
    ends_at: float


class Counters(Storage):
    """A storage of the `limits` library that also takes several counters in one round trip.

    Safe to call from any thread; each counter is counted in one atomic step, whoever shares it.
    Any method raises `StoreUnavailableError` when the backend cannot answer.
    """

    STORAGE_SCHEME = None

    @abstractmethod
    def read(self, keys: Sequence[str]) -> list[Window]:
        """Return the windows that run now, in the order of *keys*; no hits where none runs."""

    @abstractmethod
    def count(self, keys: Sequence[str], seconds: int, *, amount: int = 1) -> list[Window]:
        """Count in each; the first hit starts a window of so many *seconds*."""

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count in one, and return the count."""
        return self.count([key], expiry, amount=amount)[0].hits

    def get(self, key: str) -> int:
        """Return the count of the window that runs now."""
        return self.read([key])[0].hits

    def get_expiry(self, key: str) -> float:
        """Return when the window ends; now, if none runs."""
        return self.read([key])[0].ends_at

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """There is nothing for the library to translate."""
        return ()


class NoThrottle:
    """Lets everything through, for RATE_LIMIT_ENABLED=false."""

    def check_login(self, account: str, ip: str | None) -> None:
        """Do nothing."""

    def count_failure(self, account: str, ip: str | None) -> None:
        """Do nothing."""

    def count_success(self, account: str, ip: str | None) -> None:
        """Do nothing."""

    def count_registration(self, ip: str | None) -> None:
        """Do nothing."""


class CountingThrottle:
    """Counts in fixed windows; *counters* decide who shares them."""

    def __init__(
        self,
        counters: Counters,
        *,
        failures: int,
        registrations: int,
        window_seconds: int,
        clock: Callable[[], float],
        events: Events = NO_EVENTS,
    ) -> None:
        self._counters = counters
        self._clock = clock
        self._events = events
        self._window = window_seconds
        self._limits = [
            RateLimitItemPerSecond(failures, window_seconds, namespace=PAIR),
            RateLimitItemPerSecond(failures * PER_ADDRESS, window_seconds, namespace=ADDRESS),
            RateLimitItemPerSecond(failures * PER_ACCOUNT, window_seconds, namespace=ACCOUNT),
        ]
        self._registration = RateLimitItemPerSecond(
            registrations, window_seconds, namespace=REGISTRATION
        )

    def check_login(self, account: str, ip: str | None) -> None:
        """See `Throttle`. One round trip."""
        self._check(self._counters.read(self._keys(account, ip)))

    def count_failure(self, account: str, ip: str | None) -> None:
        """See `Throttle`. One round trip: it counts in every window, whichever is over."""
        windows = self._counters.count(self._keys(account, ip), self._window)
        for limit, window in zip(self._limits, windows, strict=True):
            self._refuse_beyond(limit, window)

    def count_success(self, account: str, ip: str | None) -> None:
        """See `Throttle`. One round trip, and one more where there is something to forget."""
        keys = self._keys(account, ip)
        windows = self._counters.read(keys)
        self._check(windows)
        if windows[0].hits:
            self._counters.clear(keys[0])

    def count_registration(self, ip: str | None) -> None:
        """See `Throttle`. One round trip."""
        key = self._registration.key_for(client_bucket(ip))
        self._refuse_beyond(self._registration, self._counters.count([key], self._window)[0])

    def _keys(self, account: str, ip: str | None) -> list[str]:
        who, where = _digest(account), client_bucket(ip)
        names = (f"{who}:{where}", where, who)
        return [limit.key_for(name) for limit, name in zip(self._limits, names, strict=True)]

    def _check(self, windows: Sequence[Window]) -> None:
        """Refuse where one more would be too many."""
        for limit, window in zip(self._limits, windows, strict=True):
            self._refuse_beyond(limit, window._replace(hits=window.hits + 1))

    def _refuse_beyond(self, limit: RateLimitItemPerSecond, window: Window) -> None:
        if window.hits <= limit.amount:
            return
        log.warning("rate_limited", limit=limit.namespace)
        self._events.rate_limited(limit.namespace)
        wait = math.ceil(window.ends_at - self._clock())
        # A clock that was put back must not make anyone wait longer than the window.
        raise RateLimitedError(retry_after=min(wait, self._window))


@lru_cache(4096)
def client_bucket(ip: str | None) -> str:
    """Return what an address is counted as: IPv6 per /64, and unknown ones all together."""
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped or address in NAT64:
            return str(ipaddress.IPv4Address(int(address) & IPV4_BITS))
        network = ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False)
        return str(network.network_address)
    return str(address)


def _digest(account: str) -> str:
    """Shorten an account to a fixed length; it also keeps addresses out of shared counters."""
    return hashlib.blake2b(account.encode(), digest_size=16).hexdigest()
