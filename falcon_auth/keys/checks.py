"""What can be wrong with keys and credentials in the settings: one line a fault, without values."""

# ruff: noqa: D102 - the protocol's members are described where `Settings` has them
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from falcon_auth.credentials import is_credential
from falcon_auth.keys.pem import read_key_files
from falcon_auth.keys.ring import SYMMETRIC, Key, UnfitKeyError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

MIN_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}  # As long as the digest: RFC 7518, 3.2.
EXAMPLE_SECRET = "replace-me-with-the-output-of-python-m-falcon_auth-secret"  # noqa: S105 - refused below
_MAKE_ONE = "make one with `python -m falcon_auth secret`"


class KeySettings(Protocol):
    """The settings that are looked at here."""

    @property
    def environment(self) -> str: ...
    @property
    def jwt_secret_key(self) -> SecretStr | None: ...
    @property
    def jwt_previous_secret_keys(self) -> tuple[SecretStr, ...]: ...
    @property
    def jwt_algorithm(self) -> str: ...
    @property
    def jwt_private_key_file(self) -> Path | None: ...
    @property
    def jwt_previous_key_files(self) -> tuple[Path, ...]: ...
    @property
    def jwt_key_directory(self) -> Path | None: ...
    @property
    def introspection_tokens(self) -> tuple[str, ...]: ...


def check_secrets(settings: KeySettings) -> list[str]:
    """Return what is wrong with the HMAC keys, and whether a key is missing."""
    faults = []
    named = [("JWT_SECRET_KEY", settings.jwt_secret_key)] if settings.jwt_secret_key else []
    named += [("JWT_PREVIOUS_SECRET_KEYS", key) for key in settings.jwt_previous_secret_keys]
    for name, secret in named:
        faults += [
            f"{name}: {fault}"
            for fault in _faults_of(secret.get_secret_value(), settings.jwt_algorithm)
        ]
    symmetric = settings.jwt_algorithm in SYMMETRIC
    if symmetric and settings.environment == "production" and settings.jwt_secret_key is None:
        faults.append(f"JWT_SECRET_KEY: is needed in production; {_MAKE_ONE}")
    if not symmetric and not (settings.jwt_private_key_file or settings.jwt_key_directory):
        faults.append(f"JWT_PRIVATE_KEY_FILE: is needed for {settings.jwt_algorithm}")
    return faults


def check_key_files(settings: KeySettings) -> list[str]:
    """Return what is wrong with the PEM files; it reads them."""
    _, faults = read_key_files(
        settings.jwt_algorithm, settings.jwt_private_key_file, settings.jwt_previous_key_files
    )
    if settings.jwt_private_key_file and settings.jwt_key_directory:
        faults.append(
            "JWT_PRIVATE_KEY_FILE: the keys of JWT_KEY_DIRECTORY sign; put this one into "
            "JWT_PREVIOUS_KEY_FILES"
        )
    return faults


def check_credentials(settings: KeySettings) -> list[str]:
    """Return which of the services' credentials are not written as they are to be."""
    return list(_faults_of_credentials(settings.introspection_tokens))


def _faults_of(secret: str, algorithm: str) -> Iterator[str]:
    if algorithm not in SYMMETRIC:
        algorithm = "HS256"  # What a secret verifies where another key signs.
    if secret == EXAMPLE_SECRET:
        yield f"this is the public example; {_MAKE_ONE}"
    elif len(secret.encode()) < MIN_SECRET_BYTES[algorithm]:
        yield f"needs {MIN_SECRET_BYTES[algorithm]} bytes or more"
    else:
        try:
            Key.symmetric(secret, algorithm)
        except UnfitKeyError as error:
            yield str(error)


def _faults_of_credentials(credentials: Sequence[str]) -> Iterator[str]:
    for number, credential in enumerate(credentials, start=1):
        if not is_credential(credential):
            yield (
                f"INTROSPECTION_TOKENS: number {number} is not written name:hash; "
                "`python -m falcon_auth service-token NAME` makes one"
            )
