"""Passwords: the policy, hashing, and checks whose duration reveals nothing."""

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
    - `upgraded`: if the password matches and the stored hash is cheaper than today's settings or of
    another kind, a new hash to replace it.
    - `damaged`: the stored hash is malformed, of an unknown kind or beyond bounds, so nobody can
    log in with it. Log that, without the hash; the client must not learn it.
    """

    matches: bool
    upgraded: str | None = field(default=None, repr=False)
    damaged: bool = False


class Passwords:
    """Hashes and checks passwords, on the pool.

    *today* creates new hashes; *others* are other kinds that are still verified. Their order does
    not matter, because no two of them recognise the same hash.

    *observe* is called once per job, on the worker's thread, with today's kind and the seconds that
    the worker was busy, not including the wait. It must not raise.

    Safe to call from any thread; `hash` and `check` block until a worker has done the work.
    *client* is the client that makes the request: the pool shares its queue fairly among clients,
    which it groups as the throttle does (`client_bucket`); None stands for all clients without an
    address. Both methods pass *abandoned* to `HashingPool.run`, and raise `OverloadedError` and
    `AbandonedError` as it does.
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

        Raises `ValueError` for a password that validation should have refused: longer than
        `MAX_PASSWORD_LENGTH`, or with a lone surrogate.
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
        """Compare *password* with the stored hash; None stands for an unknown account.

        Every refusal is one job in the pool and costs at least one hash at today's settings, so
        that the duration does not distinguish an unknown account from a wrong password (OWASP
        Authentication Cheat Sheet, "Authentication and Error Messages"). It costs exactly that
        unless the stored hash costs more: after a cheaper hash the difference is spent as well, and
        after one of another kind a whole hash.
        """
        return self._on_worker(partial(self._check, password, stored), client, abandoned)

    def recognises(self, stored: str) -> bool:
        """Return whether *stored* is a usable hash: of a known kind, undamaged, within bounds.

        Takes microseconds and needs no worker, because nothing is hashed.
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

    The length is checked first, because normalising takes quadratic time at worst.
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
    """Build `Passwords` that hash with *kind*, and verify hashes of all kinds."""
    hashers: dict[str, Hasher] = {"bcrypt": BcryptHasher(bcrypt_rounds), "argon2": Argon2Hasher()}
    today = hashers.pop(kind)
    return Passwords(today, (*hashers.values(), Pbkdf2Verifier()), pool, observe)
