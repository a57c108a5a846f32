"""Keys that change while the service runs: a ring that follows a folder of keys."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from falcon_auth.keys.ring import Key, KeyRing
from falcon_auth.keys.rotation import KeyRecord, Plan, StepError

LOOK_SECONDS = 5.0  # Between looks at the folder; far below rotation's SPREAD_SECONDS.
STALE_SECONDS = 30.0  # What was last looked at so long ago (an idle process) is not used before,
PATIENCE_SECONDS = 2.0  # unless another thread's look takes so long: a file system may hang.

log = structlog.get_logger("falcon_auth.keys")


class KeyFolderError(Exception):
    """A folder of keys cannot be used. The message holds nothing of a key."""


@dataclass(frozen=True, slots=True)
class LoadedKeys:
    """What a folder holds: the plan, its keys by kid, and the files that everyone can read."""

    plan: Plan
    keys: Mapping[str, Key] = field(repr=False)
    readable: Sequence[str] = ()

    def ring_order(self) -> list[Key]:
        """Return the keys that verify, the one that signs first."""
        return [self.keys[record.kid] for record in self.plan.live()]


class KeyFiles(Protocol):
    """Where the keys and their plan are kept. Safe to call from any thread."""

    def mark(self) -> object:
        """Return something that differs once the plan was changed; None where it is away."""

    def load(self) -> LoadedKeys:
        """Read everything. Raises `KeyFolderError`."""


class LiveKeys:
    """A `KeySource` that follows a folder. Safe to call from any thread.

    It looks when it is used, at most every LOOK_SECONDS, so it needs no thread of its own and
    survives a fork. What cannot be read, or is not what steps from the present state lead to,
    is refused: the keys stay as they are, and the log and `describe` say so.
    """

    def __init__(
        self,
        files: KeyFiles,
        *,
        first: Sequence[Key] = (),
        last: Sequence[Key] = (),
        monotonic: Callable[[], float],
    ) -> None:
        """Load the keys; those of the environment go before (*first*) and after (*last*) them.

        Raises `KeyFolderError`, also where nothing could sign.
        """
        self._files = files
        self._first, self._last = tuple(first), tuple(last)
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._mark = files.mark()  # Before reading: a change in between is seen at the next look.
        self._plan = Plan()
        self._fault: str | None = None
        self._ring = self._take(files.load())
        self._looked_at = monotonic()

    def current(self) -> KeyRing:
        """See `KeySource`."""
        age = self._monotonic() - self._looked_at
        if age >= LOOK_SECONDS:
            self._look(PATIENCE_SECONDS if age >= STALE_SECONDS else 0)
        return self._ring

    def key_for(self, header: str) -> Key:
        """See `KeySource`."""
        return self.current().key_for(header)

    def look_soon(self) -> None:
        """Have the next use look, changed or not. Safe in a signal handler: it sets two fields."""
        self._mark = None
        self._looked_at = -math.inf

    def describe(self, now: float) -> dict[str, Any]:
        """Tell each key's state and age (seconds in that state), and what is wrong, if anything."""
        ring = self.current()
        records = {record.kid: record for record in self._plan.live()}
        keys = [
            _describe(key, records.get(key.kid), signs=key is ring.signing_key, now=now)
            for key in ring.keys
        ]
        described: dict[str, Any] = {"status": "ok", "keys": keys}
        return described if self._fault is None else described | {"fault": self._fault}

    def _look(self, patience: float) -> None:
        if not self._looking.acquire(timeout=patience):
            return  # Another thread does; this one goes on with what there is.
        try:
            if self._monotonic() - self._looked_at < LOOK_SECONDS:
                return  # Another thread did.
            mark = self._files.mark()
            if mark is not None and mark == self._mark:
                return
            self._mark = mark
            self._ring = self._take(self._files.load())
            self._fault = None
            log.info("keys_loaded", keys={r.kid: r.state for r in self._plan.live()})
        except (KeyFolderError, StepError) as error:
            if self._fault != str(error):  # Once, not at every look.
                log.error("keys_not_loaded", reason=str(error))  # noqa: TRY400 - the reason is enough
            self._fault = str(error)
            self._mark = None  # The key's file may be mended without a change of the plan.
        finally:
            self._looked_at = self._monotonic()
            self._looking.release()

    def _take(self, loaded: LoadedKeys) -> KeyRing:
        self._plan.check_successor(loaded.plan)
        order = loaded.ring_order()
        if not order and not self._first:  # What is in `last` only verifies, able to sign or not.
            raise KeyFolderError("has no key that signs; `python -m falcon_auth keys add` makes it")
        ring = KeyRing([*self._first, *order, *self._last])
        self._plan = loaded.plan
        for name in loaded.readable:
            log.warning("key_file_readable", file=name, consequence="everyone here can sign")
        return ring


def describe_ring(ring: KeyRing) -> dict[str, Any]:
    """Tell each key's state, where keys come from the environment: their ages are not known."""
    keys = [_describe(key, None, signs=key is ring.signing_key, now=0) for key in ring.keys]
    return {"status": "ok", "keys": keys}


def _describe(key: Key, record: KeyRecord | None, *, signs: bool, now: float) -> dict[str, Any]:
    described: dict[str, Any] = {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": "active" if signs else "verifies",
    }
    if record is not None:
        since = record.retired_at or record.activated_at or record.published_at
        # Where the environment's secret still signs, the folder's active key waits for its turn.
        described["state"] = "published" if record.state == "active" and not signs else record.state
        described["age_seconds"] = max(0, int(now - since))
        if record.safe_at is not None:
            described["next_step_safe_at"] = record.safe_at
    return described
