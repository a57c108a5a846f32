"""The policy for log-in attempts: guessing is slow, and locking a victim out is expensive.

Failed attempts are counted per account with client, per client, and per account across clients,
in fixed windows. A client is a bucket of addresses (`client_buckets`). Right and wrong passwords
are refused alike once a limit is reached (OWASP ASVS 5.0, 6.3.1).

The limit across clients does not apply to a client from which the account has logged in recently:
guesses from elsewhere do not lock the owner out at home. An attacker in the same bucket gains only
this exemption: the other two limits still apply, and every guess counts towards all three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol, Self

from falcon_auth.errors import StoreUnavailableError
from falcon_auth.throttle.client_buckets import UNKNOWN_CLIENT, client_bucket
from falcon_auth.throttle.counters import Counters, Window
from falcon_auth.throttle.limits import Limit, Limiter, digest

PER_CLIENT = 10  # Times the limit of one account from one client: enough for a shared network.
PER_ACCOUNT = 20  # Times the same limit: locking a victim out takes this many clients.

# The limits by name, as in the log and the metrics. "Address" means the client's address.
LIMITS = PAIR, CLIENT, ACCOUNT, REGISTRATION = (
    "login-pair",
    "login-address",
    "login-account",
    "registration",
)

DAY = 24 * 3600
# A counter in this namespace marks a client that an account logged in from.
KNOWN_CLIENT = "known-client"
KNOWN_CLIENT_SECONDS = 30 * DAY
REMEMBER_AGAIN_SECONDS = DAY  # A mark is renewed once a day, not at each log-in.
# How many known clients an account may add, so that one account cannot fill the counters.
NEW_CLIENTS = Limit("new-client", 20, DAY)


class Throttle(Protocol):
    """Counts attempts. Safe to call from any thread; each count is one atomic step.

    *account* is an e-mail key, *ip* the client's address where it is known. A wrong second factor
    is a failure like a wrong password. Methods raise `StoreUnavailableError` unless stated
    otherwise.
    """

    def check_login(self, account: str, ip: str | None) -> None:
        """Raise `RateLimitedError` if a limit has been reached. Counts nothing."""

    def count_failure(self, account: str, ip: str | None) -> None:
        """Count a failed attempt; raises `RateLimitedError` if the limit was already reached."""

    def count_success(self, account: str, ip: str | None) -> None:
        """Clear the failures of the account from this client, and remember the client.

        If a limit has been reached, does neither and raises `RateLimitedError`, so that guesses
        sent concurrently gain nothing. Call it only after every factor has been verified: a correct
        password alone must not clear the wrong codes entered after it.
        """

    def remember_client(self, account: str, ip: str | None) -> None:
        """Exempt the client from the limit across clients from now on.

        The exemption is only a convenience, so this does not raise if it cannot be stored.
        """

    def count_registration(self, ip: str | None) -> None:
        """Count a registration; raises `RateLimitedError` beyond the limit."""


class NoThrottle:
    """Lets everything through, for RATE_LIMIT_ENABLED=false."""

    def check_login(self, account: str, ip: str | None) -> None:
        """Allow every attempt."""

    def count_failure(self, account: str, ip: str | None) -> None:
        """Count nothing, since no limit applies."""

    def count_success(self, account: str, ip: str | None) -> None:
        """Clear nothing, since no failures are counted."""

    def remember_client(self, account: str, ip: str | None) -> None:
        """Store nothing, since no limit applies."""

    def count_registration(self, ip: str | None) -> None:
        """Allow every registration."""


class _Attempt(NamedTuple):
    """The account that is tried, and the client that tries it."""

    account: str  # A digest: its length is fixed, and no e-mail address gets into shared counters.
    client: str  # A bucket of client addresses.

    @classmethod
    def of(cls, account: str, ip: str | None) -> Self:
        return cls(digest(account), client_bucket(ip))

    @property
    def mark(self) -> str:
        """The key of the counter that marks the client as known to the account."""
        # A digest, since it is kept for weeks: it does not reveal from where a user logs in.
        return f"{KNOWN_CLIENT}/{digest(f'{self.account}:{self.client}')}"


class CountingThrottle:
    """Implements `Throttle` on *counters*, which several processes may share.

    In each window it allows *failures* of an account from one client, and *registrations* from a
    client. *limiter* counts on the same *counters*; *clock* gives epoch seconds.
    """

    def __init__(
        self,
        counters: Counters,
        limiter: Limiter,
        *,
        failures: int,
        registrations: int,
        window_seconds: int,
        clock: Callable[[], float],
    ) -> None:
        self._counters = counters
        self._limiter = limiter
        self._clock = clock
        self._window_seconds = window_seconds
        self._pair = Limit(PAIR, failures, window_seconds)
        self._client = Limit(CLIENT, failures * PER_CLIENT, window_seconds)
        self._account = Limit(ACCOUNT, failures * PER_ACCOUNT, window_seconds)
        self._registration = Limit(REGISTRATION, registrations, window_seconds)

    def check_login(self, account: str, ip: str | None) -> None:
        """Implement `Throttle.check_login` in one round trip."""
        attempt = _Attempt.of(account, ip)
        windows, mark = self._read(attempt)
        self._refuse_reached(self._limits_on(attempt, known=mark.hits > 0), windows)

    def count_failure(self, account: str, ip: str | None) -> None:
        """Implement `Throttle.count_failure` in one round trip, or two beyond the account's limit.

        The failure counts towards every limit, even if one of them has been reached.
        """
        attempt = _Attempt.of(account, ip)
        limits = self._limits_on(attempt)
        windows = self._counters.count(list(limits), self._window_seconds)
        for limit, window in zip(limits.values(), windows, strict=True):
            if window.hits > limit.amount and not self._is_spared(attempt, limit):
                self._limiter.refuse(limit, window)

    def count_success(self, account: str, ip: str | None) -> None:
        """Implement `Throttle.count_success` in one round trip where there is nothing to change."""
        attempt = _Attempt.of(account, ip)
        windows, mark = self._read(attempt)
        limits = self._limits_on(attempt, known=mark.hits > 0)
        self._refuse_reached(limits, windows)
        if windows[0].hits:
            # A guess may have been counted meanwhile, so the step that clears checks again.
            amounts = {key: limit.amount for key, limit in limits.items()}
            windows = self._counters.clear_unless_reached(next(iter(limits)), amounts)
            self._refuse_reached(limits, windows)
        self._mark_as_known(attempt, mark)

    def remember_client(self, account: str, ip: str | None) -> None:
        """Implement `Throttle.remember_client` in three round trips at most."""
        attempt = _Attempt.of(account, ip)
        with suppress(StoreUnavailableError):
            self._mark_as_known(attempt, self._counters.read([attempt.mark])[0])

    def count_registration(self, ip: str | None) -> None:
        """Implement `Throttle.count_registration` in one round trip."""
        self._limiter.count(self._registration, client_bucket(ip))

    def _limits_on(self, attempt: _Attempt, *, known: bool = False) -> dict[str, Limit]:
        """Return the limits of an attempt by the keys of their counters, the pair's first.

        The account's is the last; it is omitted for a *known* client.
        """
        limits = {
            self._pair.counter(f"{attempt.account}:{attempt.client}"): self._pair,
            self._client.counter(attempt.client): self._client,
        }
        return limits if known else limits | {self._account.counter(attempt.account): self._account}

    def _read(self, attempt: _Attempt) -> tuple[list[Window], Window]:
        """Return the windows of all limits, and the client's mark."""
        *windows, mark = self._counters.read([*self._limits_on(attempt), attempt.mark])
        return windows, mark

    def _refuse_reached(self, limits: dict[str, Limit], windows: Sequence[Window]) -> None:
        """Raise `RateLimitedError` if one more failure would exceed a limit."""
        # The account's window, the last one, may exist although a known client is exempt from it.
        for limit, window in zip(limits.values(), windows, strict=False):
            if window.hits >= limit.amount:
                self._limiter.refuse(limit, window)

    def _is_spared(self, attempt: _Attempt, limit: Limit) -> bool:
        return limit is self._account and self._counters.read([attempt.mark])[0].hits > 0

    def _mark_as_known(self, attempt: _Attempt, mark: Window) -> None:
        """Renew the client's mark, unless that was done within the last day."""
        left_seconds = mark.ends_at - self._clock()
        is_fresh = left_seconds > KNOWN_CLIENT_SECONDS - REMEMBER_AGAIN_SECONDS
        if (mark.hits and is_fresh) or attempt.client == UNKNOWN_CLIENT:  # Shared by many.
            return
        with suppress(StoreUnavailableError):
            if mark.hits or self._limiter.allows(NEW_CLIENTS, attempt.account):
                self._counters.restart(attempt.mark, KNOWN_CLIENT_SECONDS)
