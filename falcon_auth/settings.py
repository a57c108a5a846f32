"""Everything the service takes from its environment: one frozen, checked value."""

from __future__ import annotations

import io
import ipaddress
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from dotenv.parser import parse_stream
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from falcon_auth.keys.checks import check_credentials, check_key_files, check_secrets

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ENV_FILE = ".env"
ENV_ENCODING = "utf-8-sig"  # Some editors begin with a byte order mark.
MIN_METRICS_TOKEN_BYTES = 16  # In production, where anybody may guess at it.
MIN_PRODUCTION_ROUNDS = 12
SPARE_REQUEST_THREADS = 16  # Threads that stay free when the hashing queue is full.

Environment = Literal["development", "testing", "production"]
Algorithm = Literal["HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# An origin as browsers write it (HTML standard, 7.1.1): nothing else would ever be equal to one.
_ORIGIN = re.compile(
    r"https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?", re.ASCII
)
_DEFAULT_PORTS = re.compile(r"http:.*:80|https:.*:443")
_HOW_ORIGINS = (
    "each origin is written scheme://host[:port] as browsers do: in lower case, without path, "
    "wildcard, default port or letters beyond ASCII (xn--... for those)"
)
DATABASE_URLS = ("sqlite:///", "postgresql+psycopg://", "postgresql://", "postgres://")
REDIS_URLS = ("redis://", "rediss://", "unix://")
_WHY_SPARE = "16 never wait for HASH_WORKERS and their HASH_QUEUE_SIZE"
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
# Pydantic would parse these as JSON; they may also be comma-separated.
CommaSeparated = NoDecode


class ConfigurationError(Exception):
    """The environment does not make a service; the message names every fault, no value."""


def usable_cores() -> int:
    """Return how many cores this process may use, which a container may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - only where Linux's call is missing


class Settings(BaseSettings):
    """The settings of one service. Values come in by name (tests) or from the environment."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding=ENV_ENCODING,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # An input may be a secret.
    )

    environment: Environment = "development"
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    request_threads: int = Field(160, ge=1, le=4096)
    request_threads_on_one_core: bool = True

    jwt_secret_key: SecretStr | None = None
    jwt_previous_secret_keys: Annotated[tuple[SecretStr, ...], CommaSeparated] = ()
    jwt_algorithm: Algorithm = "HS256"
    jwt_private_key_file: Path | None = None
    jwt_previous_key_files: Annotated[tuple[Path, ...], CommaSeparated] = ()
    jwt_key_directory: Path | None = None  # Keys that `python -m falcon_auth keys` rotates.
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_leeway_seconds: int = Field(30, ge=0, le=300)

    access_token_expire_minutes: int = Field(15, gt=0, le=24 * 60)
    refresh_token_expire_days: int = Field(7, gt=0, le=365)
    sessions_per_user: int = Field(100, ge=1, le=10_000)
    session_max_days: int = Field(90, gt=0, le=3650)
    refresh_reuse_grace_seconds: int = Field(30, ge=0, le=300)

    password_hasher: Literal["bcrypt", "argon2"] = "bcrypt"  # noqa: S105 - a name
    bcrypt_rounds: int = Field(12, ge=4, le=20)
    password_min_length: int = Field(8, ge=8, le=64)
    password_policy: Literal["basic", "complex"] = "basic"  # noqa: S105 - a name
    hash_workers: int | None = Field(None, ge=1, le=1024)  # None: the cores, as threads allow.
    hash_queue_size: int = Field(128, ge=1, le=4096)  # Requests that may wait for a worker.

    database_url: SecretStr | None = None  # Secret: it may hold a password.
    database_max_pool_size: int = Field(20, ge=1, le=1000)
    snapshot_file: Path | None = None
    redis_url: SecretStr | None = None

    rate_limit_enabled: bool = True
    rate_limit_requests: int = Field(5, ge=1, le=10_000)
    rate_limit_window: int = Field(60, ge=1, le=24 * 3600)
    rate_limit_registrations: int = Field(300, ge=1, le=1_000_000)

    circuit_breaker_threshold: int = Field(5, ge=1, le=1000)
    circuit_breaker_timeout: int = Field(30, ge=1, le=3600)

    cors_origins: Annotated[tuple[str, ...] | None, CommaSeparated] = None
    shutdown_delay_seconds: int = Field(0, ge=0, le=600)
    trusted_proxies: Annotated[tuple[Network, ...], CommaSeparated] = ()
    metrics_token: SecretStr | None = None
    introspection_tokens: Annotated[tuple[str, ...], CommaSeparated] = ()  # name:hash, not tokens.
    validate_responses: bool = False  # Hold every answer against the contract: for development.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] | None = None  # None: console on a terminal.

    @field_validator(
        "jwt_previous_secret_keys",
        "jwt_previous_key_files",
        "cors_origins",
        "trusted_proxies",
        "introspection_tokens",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return split_list(value) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for origin in origins or ():
            is_origin = _ORIGIN.fullmatch(origin) and not _DEFAULT_PORTS.fullmatch(origin)
            if origin != "*" and not is_origin:
                raise ValueError(_HOW_ORIGINS)
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, networks: tuple[Network, ...]) -> tuple[Network, ...]:
        if any(network.prefixlen == 0 for network in networks):
            message = "a network of /0 would let every client choose its address"
            raise ValueError(message)
        return networks

    # The last of the validators runs first: before the lists are split.
    @field_validator("*", mode="before")
    @classmethod
    def _refuse_what_is_no_text(cls, value: object) -> object:
        # Bytes that are not UTF-8 arrive from the environment as surrogates, NUL from `.env`.
        if isinstance(value, str) and _NO_TEXT.search(value):
            message = "is not text in UTF-8"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        faults = [fault for check in _CHECKS for fault in check(self)]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def workers(self) -> int:
        """How many hashing workers to start on this machine."""
        return self.workers_for(usable_cores())

    def workers_for(self, cores: int) -> int:
        """Return the setting, or a worker for each of so many cores as far as threads allow."""
        if self.hash_workers is not None:
            return self.hash_workers
        room = self.request_threads - self.hash_queue_size - SPARE_REQUEST_THREADS
        return max(1, min(cores, room))

    @property
    def asks_for_classes(self) -> bool:
        """Whether a password needs letters of both cases, a digit and a symbol."""
        return self.password_policy == "complex"  # noqa: S105 - a name

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins that a browser page may call from; the environment has presets."""
        if self.cors_origins is not None:
            return self.cors_origins
        if self.environment == "development":
            return ("http://localhost:3000", "http://localhost:8000")
        return ()


def _check_threads(settings: Settings) -> list[str]:
    busy = settings.workers + settings.hash_queue_size
    if settings.request_threads < busy + SPARE_REQUEST_THREADS:
        return [f"REQUEST_THREADS: {busy + SPARE_REQUEST_THREADS} or more, so that {_WHY_SPARE}"]
    return []


def _check_production(settings: Settings) -> list[str]:
    faults = []
    if "*" in settings.allowed_origins and len(settings.allowed_origins) > 1:
        faults.append("CORS_ORIGINS: * stands alone")
    if settings.environment != "production":
        return faults
    if settings.bcrypt_rounds < MIN_PRODUCTION_ROUNDS:
        faults.append(f"BCRYPT_ROUNDS: at least {MIN_PRODUCTION_ROUNDS} in production")
    token = settings.metrics_token
    if token is not None and len(token.get_secret_value().encode()) < MIN_METRICS_TOKEN_BYTES:
        faults.append(f"METRICS_TOKEN: needs {MIN_METRICS_TOKEN_BYTES} bytes or more in production")
    if "*" in settings.allowed_origins:
        faults.append("CORS_ORIGINS: * is refused in production; list the origins")
    if settings.validate_responses:
        faults.append("VALIDATE_RESPONSES: is for development; production answers as it can")
    return faults


def _check_store(settings: Settings) -> list[str]:
    faults = []
    if settings.snapshot_file and settings.database_url:
        faults.append("SNAPSHOT_FILE: is for the in-memory store; a database keeps its own data")
    if settings.database_url and not _begins(settings.database_url, DATABASE_URLS):
        faults.append(f"DATABASE_URL: begins with {' or '.join(DATABASE_URLS)}")
    if settings.redis_url and not _begins(settings.redis_url, REDIS_URLS):
        faults.append(f"REDIS_URL: begins with {' or '.join(REDIS_URLS)}")
    return faults


def _begins(url: SecretStr, beginnings: tuple[str, ...]) -> bool:
    return url.get_secret_value().startswith(beginnings)


_CHECKS = (
    _check_threads,
    check_secrets,
    check_key_files,
    check_credentials,
    _check_production,
    _check_store,
)


def split_list(text: str) -> list[str]:
    """Read a list written with commas, or as a JSON list of strings."""
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except ValueError:
            items = None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            message = "separate the items with commas, or write a JSON list of strings"
            raise ValueError(message)
        return items
    return [item.strip() for item in text.split(",") if item.strip()]


def load_settings() -> Settings:
    """Read the environment and `.env`.

    Raises `ConfigurationError` with one line a fault; no line holds a value.
    """
    faults = _check_env_file(Path(ENV_FILE))
    stand_ins: dict[str, Any] = {}
    while True:
        try:
            settings = Settings(**stand_ins)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
        else:
            found = []
        faults += [line for fault in found for line in _describe(fault)]
        faulty = {str(fault["loc"][0]) for fault in found if fault["loc"]}
        if not faulty:
            break
        # Look again with the defaults in place of faulty values: what is wrong between
        # settings is told in the same message, not at the next start.
        stand_ins |= {name: Settings.model_fields[name].default for name in faulty}
    if faults:
        raise ConfigurationError("\n".join(sorted(faults)))
    return settings


def _check_env_file(path: Path) -> list[str]:
    """Find the lines that would be passed over, as if the variable were not set.

    Raises `ConfigurationError` for a file that cannot be read at all.
    """
    if not os.path.lexists(path):
        return []
    try:
        bindings = list(parse_stream(io.StringIO(path.read_text(encoding=ENV_ENCODING))))
    except (OSError, UnicodeDecodeError):
        message = f"{path.name}: cannot be read as UTF-8 text"
        raise ConfigurationError(message) from None
    broken = [binding.original.line for binding in bindings if binding.error]
    return [f"{path.name}: line {line} is not written NAME=value" for line in broken]


def _describe(fault: ErrorDetails) -> list[str]:
    """Turn one of pydantic's faults into lines that begin with the variable's name."""
    text = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return text.splitlines()
    return [f"{str(fault['loc'][0]).upper()}: {text[:1].lower()}{text[1:]}"]
