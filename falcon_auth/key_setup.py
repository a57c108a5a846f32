"""From the settings to the keys of the service. Part of the wiring."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from falcon_auth.keys import ASYMMETRIC, Key, KeyRing, KeySource
from falcon_auth.keys.live import KeyFolderError, LiveKeys, describe_ring
from falcon_auth.keys.pem import open_to_others, read_key_files
from falcon_auth.metrics import Metrics
from falcon_auth.settings import ConfigurationError, Settings
from falcon_auth.stores.key_folder import KeyFolder

SHOWN_STATES = ("next", "active", "retiring", "published", "verifies")
AGE_TEXT = "For how long the oldest key of a state has been in it; 0 where that is not known"

log = structlog.get_logger("falcon_auth.start")


def make_keys(settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> KeySource:
    """Return the keys: those of JWT_ALGORITHM's kind sign, all others verify.

    So tokens that live through a change from HS256 to ES256, or back, stay valid for as long as
    the old keys stay in the settings. Raises `ConfigurationError`.
    """
    asymmetric = settings.jwt_algorithm in ASYMMETRIC
    from_files, faults = read_key_files(
        settings.jwt_algorithm, settings.jwt_private_key_file, settings.jwt_previous_key_files
    )
    if faults := faults or _look_at_modes(settings):
        raise ConfigurationError("\n".join(faults))
    secret_keys = _secret_keys(settings, needed=not asymmetric)
    if settings.jwt_key_directory is None:
        first, last = (from_files, secret_keys) if asymmetric else (secret_keys, from_files)
        return KeyRing([*first, *last])
    try:
        return LiveKeys(
            KeyFolder(settings.jwt_key_directory),
            first=[] if asymmetric else secret_keys,
            last=[*from_files, *(secret_keys if asymmetric else [])],
            monotonic=monotonic,
        )
    except KeyFolderError as error:
        raise ConfigurationError(f"JWT_KEY_DIRECTORY: {error}") from None


def describe_keys(keys: KeySource, now: float) -> dict[str, Any]:
    """Tell each key's state, and its age where that is known; for readiness and metrics."""
    return keys.describe(now) if isinstance(keys, LiveKeys) else describe_ring(keys.current())


def show_keys(metrics: Metrics, keys: KeySource, clock: Callable[[], float]) -> None:
    """Show how many keys there are in each state, and how old they are."""

    def ages(state: str) -> list[int]:
        told = describe_keys(keys, clock())["keys"]
        return [key.get("age_seconds", 0) for key in told if key["state"] == state]

    for state in SHOWN_STATES:
        count, oldest = partial(_count, ages, state), partial(_oldest, ages, state)
        metrics.gauge("keys", "Keys by state", count, combine="max", state=state)
        metrics.gauge("key_age_seconds", AGE_TEXT, oldest, combine="max", state=state)
    metrics.gauge(
        "keys_not_loaded",
        "1 while the folder of keys cannot be followed",
        lambda: "fault" in describe_keys(keys, clock()),
        combine="max",
    )


def _count(ages: Callable[[str], list[int]], state: str) -> int:
    return len(ages(state))


def _oldest(ages: Callable[[str], list[int]], state: str) -> int:
    return max(ages(state), default=0)


def _secret_keys(settings: Settings, *, needed: bool) -> list[Key]:
    secret = settings.jwt_secret_key
    texts = [secret.get_secret_value()] if secret else []
    if needed and secret is None:
        log.warning("random_jwt_key", consequence="all tokens end with this process")
        texts = [secrets.token_urlsafe(48)]
    texts += [key.get_secret_value() for key in settings.jwt_previous_secret_keys]
    # Beside asymmetric keys, the secrets are those of HS256's time.
    algorithm = settings.jwt_algorithm if needed else "HS256"
    return [Key.symmetric(text, algorithm) for text in texts]


def _look_at_modes(settings: Settings) -> list[str]:
    """Return faults for a signing key that everyone on the machine can exchange.

    That everyone can read it is only warned of: containers get their secrets with mode 0444.
    """
    path = settings.jwt_private_key_file
    others_may = None if path is None else open_to_others(path)
    if others_may == "write":
        return ["JWT_PRIVATE_KEY_FILE: can be written by everyone; chmod 600 it"]
    if others_may == "read":
        log.warning("key_file_readable", consequence="everyone on this machine can sign")
    return []
