"""The keys of another service: fetched when needed, and cached."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import structlog

from falcon_auth.errors import StoreUnavailableError
from falcon_auth.keys import Key, KeyRing, UnfitKeyError, UnknownKeyError, after_fork
from falcon_auth.strict_json import parse_json
from falcon_auth.verifier.fetch import Fetch, FetchError

MIN_AGE_SECONDS = 30  # Keys are cached at least this long, whatever the response says,
MAX_AGE_SECONDS = 24 * 3600  # at most this long,
DEFAULT_AGE_SECONDS = 300  # and this long if it does not say.
RETRY_SECONDS = 30  # Between fetches for unknown kids, and after a failed fetch,
FIRST_RETRY_SECONDS = 1  # except while there are no keys at all.
MAX_STALE_SECONDS = 24 * 3600  # How long expired keys are used while fetches fail.
MAX_KEYS = 100
MAX_WAITERS = 8  # Threads that may wait for another one's fetch; others must not be delayed.
WAIT_SECONDS = 5.0  # Longer than a fetch takes.
IDLE_SECONDS = 30  # Keys that expired this long ago are not used while a fetch is in progress.
_PUBLIC = {"kty", "crv", "x", "y", "n", "e"}
_CURVES = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
_RSA = {"RS256", "PS256"}

log = structlog.get_logger("falcon_auth.verifier")


class JwksKeys:
    """A `KeySource` that caches a key set. Safe to call from any thread, and to fork.

    When the cached copy expires, one thread renews it while the others continue to use it. If the
    server is unavailable, or publishes no usable key, the copy is used for another day. An unknown
    `kid` causes another fetch, but only once in RETRY_SECONDS, so that invented ones cannot cause a
    flood.
    """

    def __init__(self, fetch: Fetch, *, monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._make_locks()
        self._ring: KeyRing | None = None
        self._etag: str | None = None
        self._good_until = -math.inf  # When the copy is due to be renewed.
        self._usable_until = -math.inf  # When it must not be used any longer.
        self._next_try = -math.inf  # The earliest time for another fetch after a failure.
        self._next_search = -math.inf  # The earliest time for another fetch for an unknown kid.
        self._failed = False  # Whether the last fetch failed.
        after_fork.register(self)

    def current(self) -> KeyRing:
        """Return the cached ring, renewed if due. Raises `StoreUnavailableError` without one."""
        now = self._monotonic()
        if now >= self._good_until:
            # A process that was idle waits for new keys; a busy one continues with the old ones.
            idle = now >= self._good_until + IDLE_SECONDS
            with self._turn(WAIT_SECONDS if idle else 0) as has_turn:
                if has_turn and now >= self._good_until:
                    self._try_fetch()
        ring = self._ring
        if ring is None or self._monotonic() >= self._usable_until:
            raise StoreUnavailableError("The keys cannot be fetched now; try again shortly.")
        return ring

    def key_for(self, kid: str) -> Key:
        """Return the key with that id, fetching the key set again if the copy does not have it.

        Raises `UnknownKeyError`, or `StoreUnavailableError` if that cannot be determined now.
        """
        ring = self.current()
        try:
            return ring.key_for(kid)
        except UnknownKeyError:
            with self._turn(WAIT_SECONDS) as has_turn:
                if has_turn and self._ring is ring:  # Otherwise another thread has just fetched.
                    self._search()
        fresh = self.current()
        # The key may be new, which cannot be checked now, so a 401 could be wrong.
        if fresh is ring and (self._failed or not has_turn):
            raise StoreUnavailableError("The keys cannot be fetched now; try again shortly.")
        return fresh.key_for(kid)

    def reset_after_fork(self) -> None:
        """Reset the lock: a thread that was fetching does not exist in the child."""
        self._make_locks()
        self._next_search = -math.inf  # That thread may have set it without finishing.

    def _make_locks(self) -> None:
        self._fetching = threading.Lock()
        self._waiters = threading.BoundedSemaphore(MAX_WAITERS)

    @contextmanager
    def _turn(self, seconds: float) -> Iterator[bool]:
        """Wait for the turn to fetch; yield whether it came. Few threads may wait at once."""
        waiters, fetching = self._waiters, self._fetching
        if not waiters.acquire(blocking=False):
            yield False
            return
        try:
            has_turn = fetching.acquire(timeout=seconds)
            try:
                yield has_turn
            finally:
                if has_turn:
                    fetching.release()
        finally:
            waiters.release()

    def _search(self) -> None:
        """Fetch the key set for an unknown kid, unless that was done recently."""
        now = self._monotonic()
        if now >= self._next_search:
            self._next_search = now + RETRY_SECONDS
            self._try_fetch()

    def _try_fetch(self) -> None:
        """Fetch once, unless a fetch failed recently. The caller has the turn."""
        now = self._monotonic()
        if now < self._next_try:
            return
        try:
            answer = self._fetch(self._etag)
            if answer.body is None and self._ring is None:
                raise FetchError("not modified, but there is no copy")  # noqa: TRY301 - handled alike
            if answer.body is not None:
                ring = KeyRing(read_key_set(answer.body))
                if not ring.keys:
                    raise FetchError("holds no key that can be used here")  # noqa: TRY301 - handled alike
                if self._ring is None or ring.jwks() != self._ring.jwks():
                    self._ring = ring
                    log.info("keys_fetched", kids=[key.kid for key in ring.keys])
            self._etag = answer.etag
        except (FetchError, ValueError) as error:
            self._failed = True
            wait = FIRST_RETRY_SECONDS if self._ring is None else RETRY_SECONDS
            self._next_try = self._good_until = now + wait
            log.warning("keys_not_fetched", reason=str(error), cached=self._ring is not None)
            return
        self._failed = False
        wanted = DEFAULT_AGE_SECONDS if answer.max_age is None else answer.max_age
        self._good_until = now + min(max(wanted, MIN_AGE_SECONDS), MAX_AGE_SECONDS)
        self._usable_until = self._good_until + MAX_STALE_SECONDS


def read_key_set(data: bytes) -> list[Key]:
    """Return the keys of a JSON Web Key Set (RFC 7517, 5) that this library can verify with.

    Others are left out (RFC 7517, 5), symmetric ones above all: a public one would be no secret.
    Raises `ValueError` where this is no key set.
    """
    members = parse_json(data)
    entries = members.get("keys") if isinstance(members, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ValueError("is not a key set")
    keys = []
    for entry in entries:
        try:
            keys.append(_read_key(entry))
        except (UnfitKeyError, jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError):
            log.warning("key_ignored")
    return keys


def _read_key(jwk: Any) -> Key:
    kind = (jwk["kty"], jwk.get("crv"))
    algorithm = jwk.get("alg", _CURVES.get(kind))
    if jwk.get("use", "sig") != "sig" or algorithm not in {*_RSA, *_CURVES.values()}:
        raise UnfitKeyError("is for something else")
    public = {name: value for name, value in jwk.items() if name in _PUBLIC}
    loader = jwt.get_algorithm_by_name(algorithm)
    key = Key.asymmetric(loader.from_jwk(public), algorithm)
    if key.kid != jwk["kid"]:
        raise UnfitKeyError("has a kid that is not its thumbprint")
    return key
