"""Passwords: policy, hashing, and checks that all cost the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar

from falcon_auth.models import Client
from falcon_auth.passwords.argon2_hasher import Argon2Hasher
from falcon_auth.passwords.bcrypt_hasher import BcryptHasher
from falcon_auth.passwords.guessing import Guessing
from falcon_auth.passwords.hasher import Hasher, StoredHash, Verifier
from falcon_auth.passwords.pbkdf2_hasher import Pbkdf2Verifier
from falcon_auth.passwords.policy import MAX_PASSWORD_LENGTH, PasswordPolicy, normalise
from falcon_auth.passwords.pool import Abandoned, HashingPool
from falcon_auth.throttle.client_buckets import client_bucket

__all__ = [
    "MAX_PASSWORD_LENGTH",
    "Abandoned",
    "Guessing",
    "Hasher",
    "HashingPool",
    "PasswordPolicy",
    "Passwords",
    "Verdict",
    "Verifier",
    "make_passwords",
    "normalise",
]

T = TypeVar("T")

Observe = Callable[[str, float], None]


def _ignore(_kind: str, _seconds: float) -> None:
    """Observe nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a password check.

    - `matches`: whether the password is the right one.
    - `upgraded`: a hash at today's settings, to be stored instead of one that is cheaper or of
      another kind; only beside a match.
    - `damaged`: the stored hash is of no known kind, broken or beyond bounds, so that nobody
      can log in with it. Worth a log line (without the hash); the client must not learn it.
    """

    matches: bool
    upgraded: str | None = field(default=None, repr=False)
    damaged: bool = False


class Passwords:
    """Hashes and checks passwords, on the pool.

    *today* makes the new hashes; *others* are older kinds that are still verified. Their order
    does not matter, since no two recognise the same hash.

    *observe* is called once a trip with today's kind and the seconds that a worker was busy,
    waiting not included. It is called on the worker's thread and must not raise.

    Safe to call from any thread; both methods block until a worker has done the work. *client* is
    who asks: clients share the queue, counted as the throttle counts them (`client_bucket`), and
    None stands for all those without an address. The methods raise `OverloadedError` and
    `AbandonedError` as `HashingPool.run` does, to which *abandoned* is passed on.
    """

    def __init__(
        self,
        today: Hasher,
        others: Sequence[Verifier],
        pool: HashingPool,
        observe: Observe = _ignore,
    ) -> None:
        self._today = today
        self._hashers: Sequence[Verifier] = (today, *others)
        self._pool = pool
        self._observe = observe

    def hash(
        self,
        password: str,
        *,
        client: Client | None = None,
        abandoned: Abandoned | None = None,
    ) -> str:
        """Return a new hash of *password*.

        Raises `ValueError` for one over `MAX_PASSWORD_LENGTH` or with a lone surrogate, which
        validation should have refused.
        """
        return self._on_worker(partial(self._hash, password), client, abandoned)

    def check(
        self,
        password: str,
        stored: str | None,
        *,
        client: Client | None = None,
        abandoned: Abandoned | None = None,
    ) -> Verdict:
        """Compare *password* with the hash that is stored; None stands for an unknown account.

        Every refusal is one trip through the pool and costs at least one hash at today's
        settings, so that time does not tell an unknown account from a wrong password (OWASP
        Authentication Cheat Sheet, "Authentication and Error Messages"). It is exactly that
        cost wherever the stored hash does not ask for more: an older, cheaper one is followed by
        the difference, one of another kind by a whole one.
        """
        return self._on_worker(partial(self._check, password, stored), client, abandoned)

    def recognises(self, stored: str) -> bool:
        """Return whether *stored* is a usable hash: of a known kind, undamaged, within bounds.

        Takes microseconds and no worker: nothing is hashed.
        """
        return self._parse(stored) is not None

    def _on_worker(
        self, job: Callable[[], T], client: Client | None, abandoned: Abandoned | None
    ) -> T:
        def timed() -> T:
            started = time.perf_counter()
            try:
                return job()
            finally:
                self._observe(self._today.kind, time.perf_counter() - started)

        bucket = client_bucket(client.ip if client else None)
        return self._pool.run(timed, client=bucket, abandoned=abandoned)

    def _hash(self, password: str) -> str:
        secret = _hashable(password)
        if secret is None:
            raise ValueError("The password is too long or not valid Unicode.")
        return self._today.hash(secret)

    def _check(self, password: str, stored: str | None) -> Verdict:
        secret = _hashable(password)
        parsed = None if stored is None else self._parse(stored)
        if secret is None or parsed is None:
            self._today.spend()
            return Verdict(matches=False, damaged=stored is not None and parsed is None)
        if not parsed.matches(secret):
            self._today.spend(less=parsed)
            return Verdict(matches=False)
        if self._today.suffices(parsed):
            return Verdict(matches=True)
        return Verdict(matches=True, upgraded=self._today.hash(secret))

    def _parse(self, stored: str) -> StoredHash | None:
        parses = (hasher.parse(stored) for hasher in self._hashers)
        return next((parsed for parsed in parses if parsed is not None), None)


def _hashable(password: str) -> str | None:
    """Normalise *password*; None if it cannot be anyone's: too long, or with a lone surrogate.

    Length goes first, because normalising is quadratic in it at worst.
    """
    if len(password) > MAX_PASSWORD_LENGTH:
        return None
    try:
        password.encode()
    except UnicodeEncodeError:
        return None
    return normalise(password)


def make_passwords(
    kind: Literal["bcrypt", "argon2"],
    *,
    bcrypt_rounds: int,
    pool: HashingPool,
    observe: Observe = _ignore,
) -> Passwords:
    """Build `Passwords` that hash with *kind*, and still verify the other one and imported ones."""
    hashers: dict[str, Hasher] = {"bcrypt": BcryptHasher(bcrypt_rounds), "argon2": Argon2Hasher()}
    today = hashers.pop(kind)
    return Passwords(today, (*hashers.values(), Pbkdf2Verifier()), pool, observe)
