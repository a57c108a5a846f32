"""What whoever runs the service does with factors: remove them all, and change the keys."""

from __future__ import annotations

from typing import NamedTuple

from falcon_auth.factors.check import owner_of
from falcon_auth.factors.encryption import SecretBox, UndecryptableError
from falcon_auth.factors.foundations import Foundations
from falcon_auth.models import User

PAGE = 200
SWEEP_SLICE = 500
ALL_FACTORS = "all"


class Reencrypted(NamedTuple):
    """How many secrets were encrypted anew, and how many no key decrypts."""

    changed: int
    undecryptable: int


class FactorUpkeep:
    """The factors of all users. Safe to call from any thread, beside a service that runs."""

    def __init__(self, on: Foundations) -> None:
        self._store = on.store.factors
        self._notices = on.notices
        self._clock = on.clock
        self._events = on.events

    def remove_all(self, user: User) -> int:
        """Remove all factors and recovery codes of a user; return how many factors there were."""
        effects = self._notices.effects("factor_removed", user, ALL_FACTORS)
        removed = self._store.remove_all(user.id, now=self._clock(), effects=effects)
        self._events.record("factors_removed", user_id=user.id, count=removed)
        return removed

    def reencrypt(self, box: SecretBox) -> Reencrypted:
        """Encrypt every secret with the first key that another one encrypted.

        Can be repeated, and run while users log in: each secret is replaced if it is still the
        same.
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
        """Forget some of the challenges that nobody can answer again; return if more are left."""
        return self._store.sweep(expired_before=self._clock(), limit=SWEEP_SLICE)
