"""Every setting with its own bounds; `checks` has the rules across settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from falcon_auth.delivery.mail_url import (
    check_public_url,
    origin_of,
    parse_mail_url,
    parse_sender,
)
from falcon_auth.delivery.webhook_url import check_url, parse_secret
from falcon_auth.factors.setup import are_on
from falcon_auth.networks import Network, hold_everyone
from falcon_auth.passwords.workers import default_workers
from falcon_auth.providers.return_urls import check_return_url
from falcon_auth.settings.lists import split_list
from falcon_auth.settings.variables import ENV_ENCODING, ENV_FILE

MIN_KEY_CACHE_SECONDS = 360  # 300 that the key set grants, and 60 until each process has a step.

Environment = Literal["development", "testing", "production"]
Algorithm = Literal["HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"]
# An origin as browsers write it (HTML standard, 7.1.1); anything else would never match one.
_ORIGIN = re.compile(
    r"https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?", re.ASCII
)
_DEFAULT_PORTS = re.compile(r"http:.*:80|https:.*:443")
_HOW_ORIGINS = (
    "each origin is written scheme://host[:port] as browsers do: in lower case, without path, "
    "wildcard, default port or non-ASCII characters (use xn--... instead)"
)
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
IN_MEMORY = "memory:"  # The DATABASE_URL that explicitly selects the in-memory store.
SPARE_REQUEST_THREADS = 16  # Threads that stay free when the hashing queue is full.
# Pydantic would parse these as JSON; they may also be comma-separated.
CommaSeparated = NoDecode


class Fields(BaseSettings):
    """Every setting with its default and its own bounds."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding=ENV_ENCODING,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # Inputs may be secrets.
    )

    environment: Environment = "development"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    request_threads: int = Field(default=160, ge=1, le=4096)
    request_threads_on_one_core: bool = True

    jwt_secret_key: SecretStr | None = None
    jwt_previous_secret_keys: Annotated[tuple[SecretStr, ...], CommaSeparated] = ()
    jwt_algorithm: Algorithm = "HS256"
    jwt_private_key_file: Path | None = None
    jwt_previous_key_files: Annotated[tuple[Path, ...], CommaSeparated] = ()
    jwt_key_directory: Path | None = None  # Keys that `python -m falcon_auth keys` rotates.
    jwt_issuer: str | None = None
    jwt_audience: Annotated[tuple[str, ...], CommaSeparated] = ()
    jwt_subject: Literal["email", "id"] = "email"  # What `sub` says.
    jwt_leeway_seconds: int = Field(default=30, ge=0, le=300)
    key_cache_seconds: int = Field(default=660, ge=MIN_KEY_CACHE_SECONDS, le=24 * 3600)

    access_token_expire_minutes: int = Field(default=15, gt=0, le=24 * 60)
    refresh_token_expire_days: int = Field(default=7, gt=0, le=365)
    sessions_per_user: int = Field(default=100, ge=1, le=10_000)
    session_max_days: int = Field(default=90, gt=0, le=3650)
    refresh_reuse_grace_seconds: int = Field(default=30, ge=0, le=300)

    password_hasher: Literal["bcrypt", "argon2"] = "bcrypt"  # noqa: S105 - a name
    bcrypt_rounds: int = Field(default=12, ge=4, le=20)
    password_min_length: int = Field(default=8, ge=8, le=64)
    password_policy: Literal["basic", "complex"] = "basic"  # noqa: S105 - a name
    hash_workers: int | None = Field(default=None, ge=1, le=1024)  # None: `default_workers`.
    hash_queue_size: int = Field(default=128, ge=1, le=4096)  # Requests that may wait for a worker.

    database_url: SecretStr | None = None  # Secret: it may hold a password.
    database_max_pool_size: int = Field(default=20, ge=1, le=1000)
    snapshot_file: Path | None = None
    redis_url: SecretStr | None = None

    rate_limit_enabled: bool = True
    rate_limit_requests: int = Field(default=5, ge=1, le=10_000)
    rate_limit_window: int = Field(default=60, ge=1, le=24 * 3600)
    rate_limit_registrations: int = Field(default=30, ge=1, le=1_000_000)

    encryption_keys: Annotated[tuple[SecretStr, ...], CommaSeparated] = ()
    recent_login_minutes: int = Field(default=10, ge=1, le=24 * 60)
    scopes: Annotated[tuple[str, ...], CommaSeparated] = ()  # Beside the service's own.
    factor_required_roles: Annotated[tuple[str, ...], CommaSeparated] = ()
    webauthn_rp_id: str | None = None  # None: the host of PUBLIC_URL.
    webauthn_origins: Annotated[tuple[str, ...] | None, CommaSeparated] = None
    webauthn_rp_name: str | None = Field(default=None, max_length=64)  # None: `DEFAULT_NAME`.

    audit_retention_days: int = Field(default=365, ge=1, le=36_500)
    audit_chain: bool = False

    circuit_breaker_threshold: int = Field(default=5, ge=1, le=1000)
    circuit_breaker_timeout: int = Field(default=30, ge=1, le=3600)

    cors_origins: Annotated[tuple[str, ...] | None, CommaSeparated] = None
    shutdown_delay_seconds: int = Field(default=0, ge=0, le=600)
    trusted_proxies: Annotated[tuple[Network, ...], CommaSeparated] = ()
    public_url: str | None = None  # None: see `public_base`.
    mail_url: SecretStr | None = None  # Secret: it may hold a password.
    mail_from: str | None = None
    mail_templates: Path | None = None
    mail_ca_file: Path | None = None
    webhook_url: str | None = None
    webhook_secret: SecretStr | None = None
    pages: bool | None = None  # None: in development.
    pages_name: str | None = Field(default=None, max_length=40)  # None: `pages.look` has it.
    pages_logo: Path | None = None
    pages_color: str | None = None  # Checked with its contrast by `pages.look`.
    email_verification: Literal["off", "optional", "required"] = "off"
    registration: Literal["open", "closed"] = "open"
    providers_file: Path | None = None
    return_urls: Annotated[tuple[str, ...], CommaSeparated] = ()  # See `return_prefixes`.
    metrics_token: SecretStr | None = None
    introspection_tokens: Annotated[tuple[str, ...], CommaSeparated] = ()  # name:hash, not tokens.
    validate_responses: bool = False  # Validate every response against the contract.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] | None = None  # None: console on a terminal.

    @field_validator(
        "jwt_previous_secret_keys",
        "jwt_previous_key_files",
        "jwt_audience",
        "cors_origins",
        "trusted_proxies",
        "introspection_tokens",
        "encryption_keys",
        "webauthn_origins",
        "scopes",
        "factor_required_roles",
        "return_urls",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return split_list(value) if isinstance(value, str) else value

    @field_validator("cors_origins", "webauthn_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for origin in origins or ():
            is_origin = _ORIGIN.fullmatch(origin) and not _DEFAULT_PORTS.fullmatch(origin)
            if origin != "*" and not is_origin:  # For passkeys, `*` is refused below.
                raise ValueError(_HOW_ORIGINS)
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, networks: tuple[Network, ...]) -> tuple[Network, ...]:
        if hold_everyone(networks):
            message = "networks that include everyone would let every client choose its address"
            raise ValueError(message)
        return networks

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str | None) -> str | None:
        return None if url is None else check_public_url(url)

    @field_validator("return_urls")
    @classmethod
    def _check_return_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_return_url(url) for url in urls)

    @field_validator("mail_url")
    @classmethod
    def _check_mail_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parse_mail_url(url.get_secret_value())
        return url

    @field_validator("mail_from")
    @classmethod
    def _check_mail_from(cls, sender: str | None) -> str | None:
        if sender is not None:
            parse_sender(sender)
        return sender

    @field_validator("webhook_url")
    @classmethod
    def _check_webhook_url(cls, url: str | None) -> str | None:
        return None if url is None else check_url(url)

    @field_validator("webhook_secret")
    @classmethod
    def _check_webhook_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            parse_secret(secret.get_secret_value())
        return secret

    # Validators run in reverse order, so this one runs before the lists are split.
    @field_validator("*", mode="before")
    @classmethod
    def _refuse_what_is_no_text(cls, value: object) -> object:
        # Bytes that are not UTF-8 arrive from the environment as surrogates, NUL from `.env`.
        if isinstance(value, str) and _NO_TEXT.search(value):
            message = "is not text in UTF-8"
            raise ValueError(message)
        return value

    @property
    def workers(self) -> int:
        """How many hashing workers to start on this machine."""
        return self.workers_for(default_workers())

    def workers_for(self, cores: int) -> int:
        """Return the setting, or *cores* as far as the request threads allow."""
        if self.hash_workers is not None:
            return self.hash_workers
        room = self.request_threads - self.hash_queue_size - SPARE_REQUEST_THREADS
        return max(1, min(cores, room))

    @property
    def database(self) -> SecretStr | None:
        """The database's URL; None if users are kept in memory."""
        url = self.database_url
        return None if url is None or url.get_secret_value() == IN_MEMORY else url

    @property
    def asks_for_classes(self) -> bool:
        """Whether a password needs upper-case and lower-case letters, a digit and a symbol."""
        return self.password_policy == "complex"  # noqa: S105 - a name

    @property
    def serves_pages(self) -> bool:
        """Whether the account pages are served under /account/."""
        return self.environment == "development" if self.pages is None else self.pages

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins that a browser page may call from; the environment has presets."""
        if self.cors_origins is not None:
            return self.cors_origins
        if self.environment == "development":
            return ("http://localhost:3000", "http://localhost:8000")
        return ()

    @property
    def public_base(self) -> str:
        """The service's public base URL for links in mails, without a slash at the end."""
        return self.public_url or f"http://localhost:{self.port}"

    @property
    def return_prefixes(self) -> tuple[str, ...]:
        """Where a log-in by a provider may return to; first the account pages, if there are any."""
        own = (f"{self.public_base}/account/",) if self.serves_pages else ()
        return (*own, *self.return_urls)

    @property
    def own_origins(self) -> tuple[str, ...]:
        """The origins of this service's own pages: PUBLIC_URL's, else this machine's two names."""
        if self.public_url is not None:
            return (origin_of(self.public_url),)
        return (f"http://localhost:{self.port}", f"http://127.0.0.1:{self.port}")

    @property
    def has_factors(self) -> bool:
        """Whether there are second factors; in production, ENCRYPTION_KEYS turn them on."""
        return are_on(self)

    @property
    def sends_mail(self) -> bool:
        """Whether mail is on: sent by MAIL_URL, or printed in development without it."""
        return self.mail_url is not None or self.environment == "development"

    @property
    def issuer_path(self) -> str | None:
        """The path of JWT_ISSUER, without leading and trailing slashes; None if it is not a URL."""
        try:
            return urlsplit(check_public_url(self.jwt_issuer or "")).path.strip("/")
        except ValueError:
            return None
