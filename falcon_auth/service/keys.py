"""Builds the key ring from the settings."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import SecretStr

from falcon_auth.errors import ConfigurationError
from falcon_auth.keys import ASYMMETRIC, Key, KeyRing, KeySource, UnfitKeyError
from falcon_auth.keys.folder import KeyFolder
from falcon_auth.keys.live import KeyFolderError, LiveKeys, describe_ring
from falcon_auth.keys.pem import open_to_others, read_key_files
from falcon_auth.observability.metrics import Metrics
from falcon_auth.settings import Settings

SHOWN_STATES = ("next", "active", "retiring", "published", "verifies")
AGE_TEXT = "How long the oldest key of a state has been in it; 0 if that is not known"

log = structlog.get_logger("falcon_auth.start")


def make_keys(settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> KeySource:
    """Return the keys: those of JWT_ALGORITHM's kind sign, and all others verify.

    So tokens stay valid when the algorithm changes from HS256 to ES256, or back, for as long as the
    old keys stay configured. Logs a warning for a previous key without its private half, which
    verifies access tokens only. Raises `ConfigurationError`.
    """
    asymmetric = settings.jwt_algorithm in ASYMMETRIC
    from_files, faults = read_key_files(
        settings.jwt_algorithm, settings.jwt_private_key_file, settings.jwt_previous_key_files
    )
    secret_keys, unfit_secrets = _secret_keys(settings, needed=not asymmetric)
    faults += unfit_secrets or ([] if faults else _check_file_modes(settings))
    if faults:
        raise ConfigurationError("\n".join(sorted(faults)))
    for key in from_files:
        if key.signing is None:
            log.warning(
                "public_key_only", kid=key.kid, consequence="refresh tokens under it are refused"
            )
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
    """Return each key's state, and its age if that is known, for readiness and metrics."""
    return keys.describe(now) if isinstance(keys, LiveKeys) else describe_ring(keys.current())


def show_keys(metrics: Metrics, keys: KeySource, clock: Callable[[], float]) -> None:
    """Register gauges for the number of keys in each state, and for their age."""
    for state in SHOWN_STATES:
        ages = _AgesOf(state, keys, clock)
        metrics.gauge("keys", "Keys by state", ages.count, combine="max", state=state)
        metrics.gauge("key_age_seconds", AGE_TEXT, ages.oldest, combine="max", state=state)
    metrics.gauge(
        "keys_not_loaded",
        "1 while the folder of keys cannot be followed",
        lambda: "fault" in describe_keys(keys, clock()),
        combine="max",
    )


@dataclass(frozen=True)
class _AgesOf:
    """The ages of the keys in one state, in seconds."""

    state: str
    keys: KeySource
    clock: Callable[[], float]

    def count(self) -> int:
        return len(self._ages())

    def oldest(self) -> int:
        return max(self._ages(), default=0)

    def _ages(self) -> list[int]:
        keys = describe_keys(self.keys, self.clock())["keys"]
        return [key.get("age_seconds", 0) for key in keys if key["state"] == self.state]


def _secret_keys(settings: Settings, *, needed: bool) -> tuple[list[Key], list[str]]:
    """Return the HMAC keys and any faults."""
    named = [("JWT_SECRET_KEY", settings.jwt_secret_key)] if settings.jwt_secret_key else []
    if needed and settings.jwt_secret_key is None:
        log.warning(
            "random_jwt_key",
            consequence="all tokens end with this process",
            remedy="set JWT_SECRET_KEY; `python -m falcon_auth secret` makes one",
        )
        named = [("JWT_SECRET_KEY", SecretStr(secrets.token_urlsafe(48)))]
    named += [("JWT_PREVIOUS_SECRET_KEYS", key) for key in settings.jwt_previous_secret_keys]
    # Beside asymmetric keys, the secrets verify tokens from the time of HS256.
    algorithm = settings.jwt_algorithm if needed else "HS256"
    keys, faults = [], []
    for name, secret in named:
        try:
            keys.append(Key.symmetric(secret.get_secret_value(), algorithm))
        except UnfitKeyError as error:
            faults.append(f"{name}: {error}")
    return keys, faults


def _check_file_modes(settings: Settings) -> list[str]:
    """Return a fault if everyone on the machine can write the signing key's file.

    If everyone can read it, only warn: containers get their secrets with mode 0444.
    """
    path = settings.jwt_private_key_file
    others_may = None if path is None else open_to_others(path)
    if others_may == "write":
        return ["JWT_PRIVATE_KEY_FILE: can be written by everyone; chmod 600 it"]
    if others_may == "read":
        log.warning("key_file_readable", consequence="everyone on this machine can sign")
    return []
