"""Rotation: the states that a key goes through, and when each step is safe.

next (published, not yet signing) → active (signs) → retiring (verifies) → gone.

Two things could go wrong. A verifier that fetched the key set just before a key was published does
not know that key until its cached copy expires, so the key must not sign until then. And tokens
outlive the period in which their key signs: refresh tokens, whose key is derived from it (see
`Key.derived`), by days. So a key must not be removed before they have expired. A `Plan` refuses a
step that is too early and says when it will be safe; an operator who has to take it at once,
because a key was stolen, can force it.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

JWKS_MAX_AGE_SECONDS = 300  # How long a verifier may cache the key set.
# Until every process has noticed a step: each checks every 5 s, and copying the folder takes time.
SPREAD_SECONDS = 60
MIN_KEY_CACHE_SECONDS = SPREAD_SECONDS + JWKS_MAX_AGE_SECONDS  # The least that is safe.
MAX_LEEWAY_SECONDS = 300  # The upper bound of JWT_LEEWAY_SECONDS.

State = Literal["next", "active", "retiring", "gone"]
_IMMUTABLE = ("published_at", "algorithm", "cache_seconds")  # No step changes these.
_ORDER: tuple[State, ...] = ("next", "active", "retiring", "gone")


class StepError(Exception):
    """A step that cannot be taken. The message is meant for the operator."""


class UnsafeStepError(StepError):
    """A step that would break something now; it is safe from `safe_at` on (epoch seconds)."""

    def __init__(self, message: str, *, safe_at: int) -> None:
        super().__init__(message)
        self.safe_at = safe_at


class KeyRecord(BaseModel):
    """One key's history; times are in epoch seconds, and None until the event has happened."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    kid: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")  # A thumbprint; it also names the file.
    algorithm: Literal["RS256", "PS256", "ES256", "EdDSA"]
    state: State
    published_at: int
    activated_at: int | None = None
    retired_at: int | None = None
    tokens_end_at: int | None = None  # When the last token with its kid has expired.
    gone_at: int | None = None
    token_seconds: int = Field(0, ge=0)  # The longest lifetime of a token with its kid.
    # How long after a step a verifier may still use an older key set; absent from plans of 1.0.
    cache_seconds: int = Field(MIN_KEY_CACHE_SECONDS, ge=MIN_KEY_CACHE_SECONDS)
    signed_unchecked: bool = False  # It is the first key, or was promoted by force.
    removed_unchecked: bool = False  # It was removed by force.

    @property
    def known_at(self) -> int:
        """From when on every verifier knows the key: older copies of the key set have expired."""
        return self.published_at + self.cache_seconds

    @property
    def safe_at(self) -> int | None:
        """When its next step becomes safe; None if that does not depend on time."""
        if self.state == "next":
            return self.known_at
        return self.tokens_end_at if self.state == "retiring" else None

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse a history that no sequence of steps could have produced."""
        signed = self.state in {"active", "retiring"} or self.retired_at is not None
        retired = self.state == "retiring" or self.retired_at is not None
        expected = {
            "activated_at": signed,
            "retired_at": retired,
            "tokens_end_at": retired,
            "gone_at": self.state == "gone",
        }
        for name, wanted in expected.items():
            if (getattr(self, name) is not None) != wanted:
                raise ValueError(f"{name} does not fit the state {self.state}")
        self._check_waits()
        return self

    def _check_waits(self) -> None:
        if not self.signed_unchecked and _or_never(self.activated_at) < self.known_at:
            raise ValueError("was activated before every verifier could know it")
        if self.retired_at is not None and self.tokens_end_at is not None:
            if self.tokens_end_at < _end_of_tokens(self.retired_at, self.token_seconds):
                raise ValueError("tokens_end_at is too early")
            if not self.removed_unchecked and _or_never(self.gone_at) < self.tokens_end_at:
                raise ValueError("was removed while tokens that it had signed were valid")


class Plan(BaseModel):
    """All keys of a service with their states. Immutable: each step returns a new plan.

    Removed keys stay listed, so that none can be added again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    version: Literal[1] = 1
    keys: tuple[KeyRecord, ...] = Field((), strict=False)  # JSON has lists.

    @model_validator(mode="after")
    def _check(self) -> Self:
        states = Counter(record.state for record in self.keys)
        if states["next"] > 1 or states["active"] > 1:
            raise ValueError("at most one key is active, and at most one is next")
        if not states["active"] and any(record.state != "gone" for record in self.keys):
            raise ValueError("no key is active")
        if len({record.kid for record in self.keys}) < len(self.keys):
            raise ValueError("a key is listed twice")
        return self

    def live(self) -> list[KeyRecord]:
        """Return the keys that verify: the active one, the next one, then the retiring ones."""
        order = ("active", "next", "retiring")
        live = [record for record in self.keys if record.state != "gone"]
        return sorted(live, key=lambda record: order.index(record.state))

    def only(self, state: State) -> KeyRecord | None:
        """Return the first key in that state."""
        return next((record for record in self.keys if record.state == state), None)

    def add(
        self,
        kid: str,
        algorithm: str,
        *,
        now: float,
        token_seconds: int,
        cache_seconds: int,
    ) -> Plan:
        """Publish a new key as the next one; the very first key is active at once.

        *cache_seconds* is how long verifiers may cache the current key set. Raises `StepError` if
        there is a next key already, or if this key was listed before.
        """
        if self.only("next") is not None:
            raise StepError("A next key exists already; promote or remove it first.")
        if any(record.kid == kid for record in self.keys):
            raise StepError("This key was used before; make a new one.")
        first = self.only("active") is None
        record = KeyRecord.model_validate(
            {
                "kid": kid,
                "algorithm": algorithm,
                "state": "active" if first else "next",
                "published_at": math.ceil(now),
                "activated_at": math.ceil(now) if first else None,
                "token_seconds": token_seconds if first else 0,
                "cache_seconds": cache_seconds,
                "signed_unchecked": first,
            }
        )
        return self._with(record)

    def promote(self, *, now: float, token_seconds: int, force: bool = False) -> Plan:
        """Make the next key active, and retire the active one.

        *token_seconds* is the longest lifetime of a token under the current settings. Raises
        `UnsafeStepError` while some verifier may not know the key yet, and `StepError` if there is
        no next key.
        """
        successor, active = self.only("next"), self.only("active")
        if successor is None or active is None:
            raise StepError("No key is published as the next one; run `keys add` first.")
        moment = math.ceil(now)
        early = now < successor.known_at
        if early and not force:
            raise UnsafeStepError(
                "Verifiers may still hold a key set without the next key.",
                safe_at=successor.known_at,
            )
        longest = max(active.token_seconds, token_seconds)
        retiring = _changed(
            active,
            state="retiring",
            retired_at=moment,
            token_seconds=longest,
            tokens_end_at=_end_of_tokens(moment, longest),
        )
        promoted = _changed(
            successor,
            state="active",
            activated_at=moment,
            token_seconds=token_seconds,
            signed_unchecked=early,
        )
        return self._with(promoted, retiring)

    def remove(self, kid: str, *, now: float, force: bool = False) -> Plan:
        """Remove a key: a retiring one, or the next one, which has signed nothing.

        Raises `UnsafeStepError` while tokens that it signed are valid, and `StepError` for the
        active key and for an id that is unknown or was removed already.
        """
        record = next((each for each in self.keys if each.kid == kid), None)
        if record is None or record.state == "gone":
            raise StepError("No key has this id.")
        if record.state == "active":
            raise StepError("The active key cannot be removed; promote the next one first.")
        early = record.tokens_end_at is not None and now < record.tokens_end_at
        if early and not force:
            raise UnsafeStepError(
                "Tokens that this key signed may still be valid.",
                safe_at=record.tokens_end_at or 0,
            )
        return self._with(
            _changed(record, state="gone", gone_at=math.ceil(now), removed_unchecked=early)
        )

    def advance(self, *, now: float, token_seconds: int) -> Plan:
        """Take every step that is safe: remove expired retiring keys, and promote the next key."""
        plan = self
        for record in self.keys:
            if record.state == "retiring" and now >= _or_never(record.safe_at):
                plan = plan.remove(record.kid, now=now)
        successor = plan.only("next")
        if successor is not None and now >= _or_never(successor.safe_at):
            plan = plan.promote(now=now, token_seconds=token_seconds)
        return plan

    def wants_key(self, *, now: float, every_seconds: int) -> bool:
        """Return whether a new key is due: none is next, and the active one is old enough."""
        active = self.only("active")
        if active is None:
            return True
        return self.only("next") is None and now >= _or_never(active.activated_at) + every_seconds

    def check_successor(self, plan: Plan) -> None:
        """Raise `StepError` unless *plan* follows from this one by a sequence of steps.

        Each record has validated itself already; this checks that no key disappeared, went back to
        an earlier state, or has a different history.
        """
        later = {record.kid: record for record in plan.keys}
        for record in self.keys:
            other = later.get(record.kid)
            if other is None:
                raise StepError("A key is missing; remove keys only with `keys remove`.")
            if _ORDER.index(other.state) < _ORDER.index(record.state):
                raise StepError("A key went back to an earlier state.")
            if any(getattr(other, name) != getattr(record, name) for name in _IMMUTABLE):
                raise StepError("A key's history was changed.")

    def _with(self, *changed: KeyRecord) -> Plan:
        by_kid = {record.kid: record for record in (*self.keys, *changed)}
        return Plan(keys=tuple(by_kid.values()))


def _end_of_tokens(retired_at: int, token_seconds: int) -> int:
    """Return when the last token has expired; some process may sign until it notices the step."""
    return retired_at + SPREAD_SECONDS + token_seconds + MAX_LEEWAY_SECONDS


def _changed(record: KeyRecord, **values: object) -> KeyRecord:
    return KeyRecord.model_validate(record.model_dump() | values)


def _or_never(moment: int | None) -> float:
    return math.inf if moment is None else moment
