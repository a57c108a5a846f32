"""Rotation: the states that a key goes through, and when each step is safe.

next (published, not yet signing) → active (signs) → retiring (verifies) → gone.

Two things could break. A verifier that fetched the key set just before a key was published does
not know it until its copy expires: so the key must not sign before. And a token lives on after
its key has stopped signing, a refresh token for days (its key is derived from this one, see
`Key.derived`): so the key must not go before. A `Plan` refuses either step and says
when it becomes safe; whoever must take it at once (a key was stolen) does so by force.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

JWKS_MAX_AGE_SECONDS = 300  # How long a verifier may go on with its copy of the key set.
SPREAD_SECONDS = 60  # Until every process has seen a step: each looks every 5 s, a copy takes more.
MIN_KEY_CACHE_SECONDS = SPREAD_SECONDS + JWKS_MAX_AGE_SECONDS  # What the key set itself grants.
MAX_LEEWAY_SECONDS = 300  # The most that JWT_LEEWAY_SECONDS grants an expired token.

State = Literal["next", "active", "retiring", "gone"]
_FIXED = ("published_at", "algorithm", "cache_seconds")  # What no step changes.
_ORDER: tuple[State, ...] = ("next", "active", "retiring", "gone")


class StepError(Exception):
    """A step that cannot be taken. The message is meant for the operator."""


class UnsafeStepError(StepError):
    """A step that would break something now; it is safe from `safe_at` (epoch seconds) on."""

    def __init__(self, message: str, *, safe_at: int) -> None:
        super().__init__(message)
        self.safe_at = safe_at


class KeyRecord(BaseModel):
    """One key's history; times are epoch seconds, and unset until they come."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    kid: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")  # A thumbprint; it also names the file.
    algorithm: Literal["RS256", "PS256", "ES256", "EdDSA"]
    state: State
    published_at: int
    activated_at: int | None = None
    retired_at: int | None = None
    tokens_end_at: int | None = None  # When the last token under its kid has expired.
    gone_at: int | None = None
    token_seconds: int = Field(0, ge=0)  # The longest life of a token under its kid.
    # How long after a step some verifier may go by an older key set; plans of 1.0 do not say.
    cache_seconds: int = Field(MIN_KEY_CACHE_SECONDS, ge=MIN_KEY_CACHE_SECONDS)
    signed_unchecked: bool = False  # The first key, which nobody waits for; or by force.
    removed_unchecked: bool = False  # By force.

    @property
    def known_at(self) -> int:
        """From when on no verifier goes by a key set without it."""
        return self.published_at + self.cache_seconds

    @property
    def safe_at(self) -> int | None:
        """When its next step becomes safe; None where that is not a matter of time."""
        if self.state == "next":
            return self.known_at
        return self.tokens_end_at if self.state == "retiring" else None

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse a history that no sequence of steps leads to."""
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
            raise ValueError("was made active before every verifier could know it")
        if self.retired_at is not None and self.tokens_end_at is not None:
            if self.tokens_end_at < _end_of_tokens(self.retired_at, self.token_seconds):
                raise ValueError("tokens_end_at is too early")
            if not self.removed_unchecked and _or_never(self.gone_at) < self.tokens_end_at:
                raise ValueError("was removed while tokens that it signed were alive")


class Plan(BaseModel):
    """All keys of a service with their states: a value that each step makes anew.

    Gone keys stay in it, so that none comes back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    version: Literal[1] = 1
    keys: tuple[KeyRecord, ...] = Field((), strict=False)  # JSON has lists.

    @model_validator(mode="after")
    def _check(self) -> Self:
        states = Counter(record.state for record in self.keys)
        if states["next"] > 1 or states["active"] > 1:
            raise ValueError("one key is active and one is next, at most")
        if not states["active"] and any(record.state != "gone" for record in self.keys):
            raise ValueError("no key is active")
        if len({record.kid for record in self.keys}) < len(self.keys):
            raise ValueError("a key is listed twice")
        return self

    def live(self) -> list[KeyRecord]:
        """Return the records of the keys that verify: the active one, the next, the retiring."""
        order = ("active", "next", "retiring")
        live = [record for record in self.keys if record.state != "gone"]
        return sorted(live, key=lambda record: order.index(record.state))

    def only(self, state: State) -> KeyRecord | None:
        """Return the first key of a state."""
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
        """Publish a fresh key as the next one; the very first is active at once.

        *cache_seconds* is how long verifiers may go by the key set as it is now. Raises
        `StepError` where there is a next key already, or where this one was there before.
        """
        if self.only("next") is not None:
            raise StepError("There is already a next key; promote or remove it first.")
        if any(record.kid == kid for record in self.keys):
            raise StepError("This key was here before; make a fresh one.")
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
        """Have the next key sign, and the active one retire.

        *token_seconds* is the longest life of a token by today's settings. Raises
        `UnsafeStepError` while some verifier may not know the key yet, `StepError` without one.
        """
        successor, active = self.only("next"), self.only("active")
        if successor is None or active is None:
            raise StepError("There is no next key; add one first.")
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
        """Forget a key: a retiring one, or the next one, which has signed nothing.

        Raises `UnsafeStepError` while tokens that it signed are alive, and `StepError` for the
        active key, one that is gone, and one that never was.
        """
        record = next((each for each in self.keys if each.kid == kid), None)
        if record is None or record.state == "gone":
            raise StepError("No key has this id.")
        if record.state == "active":
            raise StepError("The active key cannot be removed; promote the next one first.")
        early = record.tokens_end_at is not None and now < record.tokens_end_at
        if early and not force:
            raise UnsafeStepError(
                "Tokens that this key signed may still be alive.",
                safe_at=record.tokens_end_at or 0,
            )
        return self._with(
            _changed(record, state="gone", gone_at=math.ceil(now), removed_unchecked=early)
        )

    def advance(self, *, now: float, token_seconds: int) -> Plan:
        """Take every step that is safe: drop what retired long enough, have the next key sign."""
        plan = self
        for record in self.keys:
            if record.state == "retiring" and now >= _or_never(record.safe_at):
                plan = plan.remove(record.kid, now=now)
        successor = plan.only("next")
        if successor is not None and now >= _or_never(successor.safe_at):
            plan = plan.promote(now=now, token_seconds=token_seconds)
        return plan

    def wants_key(self, *, now: float, every_seconds: int) -> bool:
        """Return whether it is time for a fresh key: none is next, and the active one is old."""
        active = self.only("active")
        if active is None:
            return True
        return self.only("next") is None and now >= _or_never(active.activated_at) + every_seconds

    def check_successor(self, plan: Plan) -> None:
        """Raise `StepError` unless *plan* is what steps from this one lead to.

        Its records are sound in themselves; what is left is that none disappears, starts again
        or has another past.
        """
        later = {record.kid: record for record in plan.keys}
        for record in self.keys:
            other = later.get(record.kid)
            if other is None:
                raise StepError("A key is missing; `keys remove` says when a key may be removed.")
            if _ORDER.index(other.state) < _ORDER.index(record.state):
                raise StepError("A key went back to an earlier state.")
            if any(getattr(other, name) != getattr(record, name) for name in _FIXED):
                raise StepError("A key's past was changed.")

    def _with(self, *changed: KeyRecord) -> Plan:
        by_kid = {record.kid: record for record in (*self.keys, *changed)}
        return Plan(keys=tuple(by_kid.values()))


def _end_of_tokens(retired_at: int, token_seconds: int) -> int:
    """Return when the last token is dead; some process may sign for a while yet."""
    return retired_at + SPREAD_SECONDS + token_seconds + MAX_LEEWAY_SECONDS


def _changed(record: KeyRecord, **values: object) -> KeyRecord:
    return KeyRecord.model_validate(record.model_dump() | values)


def _or_never(moment: int | None) -> float:
    return math.inf if moment is None else moment
