"""Upkeep of second factors: re-encrypt secrets, and sweep."""

from __future__ import annotations

from typing import NamedTuple

from falcon_auth.factors.check import owner_of
from falcon_auth.factors.encryption import SecretBox, UndecryptableError
from falcon_auth.factors.foundations import Foundations

PAGE = 200
SWEEP_SLICE = 500


class Reencrypted(NamedTuple):
    """How many secrets were re-encrypted, and how many could not be decrypted."""

    changed: int
    undecryptable: int


class FactorUpkeep:
    """Operations on the factors of all users. Thread-safe, also while a service is running."""

    def __init__(self, on: Foundations) -> None:
        self._store = on.store.factors
        self._clock = on.clock

    def reencrypt(self, box: SecretBox) -> Reencrypted:
        """Re-encrypt with the first key every secret that another key encrypted.

        It can be repeated, and run while users log in: a secret that changes in the meantime is
        left alone.
        """
        changed = undecryptable = 0
        after = ""
        while page := self._store.list_secrets(after=after, limit=PAGE):
            for factor in page:
                secret = factor.secret or ""
                if box.is_current(secret):
                    continue
                try:
                    plain = box.decrypt(secret, owner_of(factor))
                except UndecryptableError:
                    undecryptable += 1
                    continue
                new = box.encrypt(plain, owner_of(factor))
                changed += self._store.replace_secret(factor.id, old=secret, new=new)
            after = page[-1].id
        return Reencrypted(changed, undecryptable)

    def sweep(self) -> bool:
        """Delete some spent challenges that have expired; return whether more may be left."""
        return self._store.sweep(expired_before=self._clock(), limit=SWEEP_SLICE)
