"""Keys that change while the service runs: a ring that follows a folder of keys."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from falcon_auth.keys import after_fork
from falcon_auth.keys.ring import Key, KeyRing
from falcon_auth.keys.rotation import KeyRecord, Plan, StepError

CHECK_SECONDS = 5.0  # How often the folder is checked; far below rotation's SPREAD_SECONDS.
STALE_SECONDS = 30.0  # Keys last checked this long ago (in an idle process) must be checked again,
PATIENCE_SECONDS = 2.0  # unless another thread's check takes this long: a file system may hang.

log = structlog.get_logger("falcon_auth.keys")


class KeyFolderError(Exception):
    """A folder of keys cannot be used. The message reveals nothing about a key."""


@dataclass(frozen=True, slots=True)
class LoadedKeys:
    """The content of a folder: the plan, its keys by kid, and the files that everyone can read."""

    plan: Plan
    keys: Mapping[str, Key] = field(repr=False)
    readable: Sequence[str] = ()

    def ring_order(self) -> list[Key]:
        """Return the keys that verify, beginning with the one that signs."""
        return [self.keys[record.kid] for record in self.plan.live()]


class KeyFiles(Protocol):
    """Where the keys and their plan are kept. Safe to call from any thread."""

    def mark(self) -> object:
        """Return a value that changes whenever the plan does; None if there is no plan."""

    def load(self) -> LoadedKeys:
        """Read everything. Raises `KeyFolderError`."""


class LiveKeys:
    """A `KeySource` that follows a folder. Safe to call from any thread.

    It checks the folder when it is used, at most every CHECK_SECONDS, so it needs no thread of its
    own. After a fork the child checks again, even if the fork happened during a check. A folder
    that cannot be read, or that no sequence of steps leads to from the current plan, is refused:
    the keys stay unchanged, and the log and `describe` report the fault.
    """

    def __init__(
        self,
        files: KeyFiles,
        *,
        first: Sequence[Key] = (),
        last: Sequence[Key] = (),
        monotonic: Callable[[], float],
    ) -> None:
        """Load the keys; keys from the environment precede (*first*) or follow (*last*) them.

        Raises `KeyFolderError`, also if there is no key to sign with.
        """
        self._files = files
        self._first, self._last = tuple(first), tuple(last)
        self._monotonic = monotonic
        self._reloading = threading.Lock()
        self._mark = files.mark()  # Before reading, so that the next check notices a later change.
        self._plan = Plan()
        self._fault: str | None = None
        self._ring = self._take(files.load())
        self._checked_at = monotonic()
        after_fork.register(self)

    def current(self) -> KeyRing:
        """Return the current ring, after checking the folder if a check is due."""
        age = self._monotonic() - self._checked_at
        if age >= CHECK_SECONDS:
            self._reload(PATIENCE_SECONDS if age >= STALE_SECONDS else 0)
        return self._ring

    def key_for(self, kid: str) -> Key:
        """Return the key with that id from the current ring. Raises `UnknownKeyError`."""
        return self.current().key_for(kid)

    def reload_soon(self) -> None:
        """Make the next use reload the keys. Safe in a signal handler: it sets two fields."""
        self._mark = None
        self._checked_at = -math.inf

    def reset_after_fork(self) -> None:
        """Reload at the next use: a thread that was loading does not exist in the child."""
        self._reloading = threading.Lock()
        self.reload_soon()

    def describe(self, now: float) -> dict[str, Any]:
        """Return each key's state, its age in that state (seconds), and `fault` if there is one."""
        ring = self.current()
        records = {record.kid: record for record in self._plan.live()}
        keys = [
            _describe(key, records.get(key.kid), signs=key is ring.signing_key, now=now)
            for key in ring.keys
        ]
        described: dict[str, Any] = {"status": "ok", "keys": keys}
        return described if self._fault is None else described | {"fault": self._fault}

    def _reload(self, patience: float) -> None:
        reloading = self._reloading
        if not reloading.acquire(timeout=patience):
            return  # Another thread is reloading; this one continues with the current ring.
        try:
            if self._monotonic() - self._checked_at < CHECK_SECONDS:
                return  # Another thread has just reloaded.
            mark = self._files.mark()
            if mark is not None and mark == self._mark:
                return
            self._mark = mark
            self._ring = self._take(self._files.load())
            self._fault = None
            log.info("keys_loaded", keys={r.kid: r.state for r in self._plan.live()})
        except (KeyFolderError, StepError) as error:
            if self._fault != str(error):  # Logged once, not at every check.
                log.error("keys_not_loaded", reason=str(error))  # noqa: TRY400 - the reason is enough
            self._fault = str(error)
            self._mark = None  # The key's file may be repaired without a change of the plan.
        finally:
            self._checked_at = self._monotonic()
            reloading.release()

    def _take(self, loaded: LoadedKeys) -> KeyRing:
        self._plan.check_successor(loaded.plan)
        order = loaded.ring_order()
        if not order and not self._first:  # Keys in `last` only verify, even if they could sign.
            raise KeyFolderError("has no signing key; `python -m falcon_auth keys add` makes one")
        ring = KeyRing([*self._first, *order, *self._last])
        self._plan = loaded.plan
        for name in loaded.readable:
            log.warning("key_file_readable", file=name, consequence="everyone here can sign")
        return ring


def describe_ring(ring: KeyRing) -> dict[str, Any]:
    """Return each key's state for keys from the environment, whose ages are unknown."""
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
        # If the environment's secret still signs, the folder's active key is not in use yet.
        described["state"] = "published" if record.state == "active" and not signs else record.state
        described["age_seconds"] = max(0, int(now - since))
        if record.safe_at is not None:
            described["next_step_safe_at"] = record.safe_at
    return described
