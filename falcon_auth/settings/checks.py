"""Checks across settings: each fault is one line that begins with a variable's name.

No line quotes a value, and no file is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import SecretStr

from falcon_auth.access.scopes import MAX_SCOPES_LENGTH, OWN_SCOPES, is_role_name, is_scope
from falcon_auth.delivery.mail_url import MailServer, parse_mail_url
from falcon_auth.factors.setup import check_factors
from falcon_auth.passwords.bcrypt_hasher import MIN_PRODUCTION_ROUNDS
from falcon_auth.settings.fields import IN_MEMORY, SPARE_REQUEST_THREADS, Fields

MIN_METRICS_TOKEN_BYTES = 16  # In production, where anybody may try to guess it.
MIN_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}  # As long as the digest: RFC 7518, 3.2.
EXAMPLE_SECRET = "replace-me-with-the-output-of-python-m-falcon_auth-secret"  # noqa: S105 - refused below
DATABASE_URLS = ("sqlite:///", "postgresql+psycopg://", "postgresql://", "postgres://")
REDIS_URLS = ("redis://", "rediss://", "unix://")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.-]{1,64}:[0-9a-f]{64}", re.ASCII)
_MAKE_ONE = "make one with `python -m falcon_auth secret`"
_WHAT_MEMORY_COSTS = "keeps users in memory, and loses them on restart"
_WHY_SPARE = "16 of them never wait for HASH_WORKERS and HASH_QUEUE_SIZE"


def check_together(settings: Fields) -> list[str]:
    """Return every fault between the settings."""
    return [fault for check in _CHECKS for fault in check(settings)]


def _check_secrets(settings: Fields) -> list[str]:
    faults = []
    named = [("JWT_SECRET_KEY", settings.jwt_secret_key)] if settings.jwt_secret_key else []
    named += [("JWT_PREVIOUS_SECRET_KEYS", key) for key in settings.jwt_previous_secret_keys]
    for name, secret in named:
        faults += [
            f"{name}: {fault}"
            for fault in _faults_of(secret.get_secret_value(), settings.jwt_algorithm)
        ]
    symmetric = settings.jwt_algorithm in MIN_SECRET_BYTES
    if symmetric and settings.environment == "production" and settings.jwt_secret_key is None:
        faults.append(f"JWT_SECRET_KEY: is needed in production; {_MAKE_ONE}")
    if not symmetric and not (settings.jwt_private_key_file or settings.jwt_key_directory):
        faults.append(f"JWT_PRIVATE_KEY_FILE: is needed for {settings.jwt_algorithm}")
    return faults


def _check_key_files(settings: Fields) -> list[str]:
    if settings.jwt_private_key_file and settings.jwt_key_directory:
        remedy = "put this one into JWT_PREVIOUS_KEY_FILES"
        return [f"JWT_PRIVATE_KEY_FILE: the keys of JWT_KEY_DIRECTORY sign; {remedy}"]
    return []


def _faults_of(secret: str, algorithm: str) -> Iterator[str]:
    # Beside an asymmetric key, a secret verifies tokens that were signed with HS256.
    least = MIN_SECRET_BYTES.get(algorithm, MIN_SECRET_BYTES["HS256"])
    if secret == EXAMPLE_SECRET:
        yield f"this is the public example; {_MAKE_ONE}"
    elif len(secret.encode()) < least:
        yield f"needs {least} bytes or more"


def _check_credentials(settings: Fields) -> list[str]:
    return [
        f"INTROSPECTION_TOKENS: number {number} is not written name:hash; "
        "`python -m falcon_auth service-token NAME` makes one"
        for number, credential in enumerate(settings.introspection_tokens, start=1)
        if not _CREDENTIAL.fullmatch(credential)
    ]


def _check_threads(settings: Fields) -> list[str]:
    busy = settings.workers + settings.hash_queue_size
    if settings.request_threads < busy + SPARE_REQUEST_THREADS:
        return [f"REQUEST_THREADS: {busy + SPARE_REQUEST_THREADS} or more, so that {_WHY_SPARE}"]
    return []


def _check_production(settings: Fields) -> list[str]:
    faults = []
    if "*" in settings.allowed_origins and len(settings.allowed_origins) > 1:
        faults.append("CORS_ORIGINS: * must be the only entry")
    if settings.environment != "production":
        return faults
    if settings.bcrypt_rounds < MIN_PRODUCTION_ROUNDS:
        faults.append(f"BCRYPT_ROUNDS: at least {MIN_PRODUCTION_ROUNDS} in production")
    token = settings.metrics_token
    if token is not None and len(token.get_secret_value().encode()) < MIN_METRICS_TOKEN_BYTES:
        faults.append(f"METRICS_TOKEN: needs {MIN_METRICS_TOKEN_BYTES} bytes or more in production")
    if "*" in settings.allowed_origins:
        faults.append("CORS_ORIGINS: * is refused in production; list the origins")
    if settings.database_url is None:
        faults.append(f"DATABASE_URL: is needed in production; {IN_MEMORY} {_WHAT_MEMORY_COSTS}")
    if settings.validate_responses:
        faults.append("VALIDATE_RESPONSES: is for development and tests, not for production")
    return faults


def _check_store(settings: Fields) -> list[str]:
    faults = []
    if settings.snapshot_file and settings.database:
        faults.append("SNAPSHOT_FILE: is for the in-memory store; a database keeps its own data")
    if settings.database and not _begins(settings.database, DATABASE_URLS):
        faults.append(f"DATABASE_URL: begins with {' or '.join(DATABASE_URLS)}, or is {IN_MEMORY}")
    if settings.audit_chain and not settings.database:
        faults.append("AUDIT_CHAIN: needs a database; nobody else can write this process's memory")
    if settings.redis_url and not _begins(settings.redis_url, REDIS_URLS):
        faults.append(f"REDIS_URL: begins with {' or '.join(REDIS_URLS)}")
    return faults


def _begins(url: SecretStr, beginnings: tuple[str, ...]) -> bool:
    return url.get_secret_value().startswith(beginnings)


def _check_mail(settings: Fields) -> list[str]:
    if settings.mail_url is None:
        given = {"MAIL_FROM": settings.mail_from, "MAIL_CA_FILE": settings.mail_ca_file}
        return [f"{name}: has no effect without MAIL_URL" for name, value in given.items() if value]
    faults = []
    if settings.mail_from is None:
        faults.append("MAIL_FROM: is needed with MAIL_URL")
    if settings.environment != "production":
        return faults
    server = parse_mail_url(settings.mail_url.get_secret_value())
    if isinstance(server, MailServer) and server.security == "none" and server.user is not None:
        faults.append("MAIL_URL: smtp:// would send the password unencrypted; use smtp+starttls://")
    if not settings.public_base.startswith("https://"):
        faults.append(
            "PUBLIC_URL: is needed with MAIL_URL, and must begin with https:// in production"
        )
    return faults


def _check_webhook(settings: Fields) -> list[str]:
    if (settings.webhook_url is None) != (settings.webhook_secret is None):
        return ["WEBHOOK_URL, WEBHOOK_SECRET: set both or neither"]
    is_plain = (settings.webhook_url or "").startswith("http:")
    if settings.environment == "production" and is_plain:
        return ["WEBHOOK_URL: must begin with https:// in production"]
    return []


def _check_verification(settings: Fields) -> list[str]:
    if settings.email_verification != "off" and not settings.sends_mail:
        return ["EMAIL_VERIFICATION: needs mail; set MAIL_URL"]
    return []


def _check_scopes(settings: Fields) -> Iterator[str]:
    for number, scope in enumerate(settings.scopes, start=1):
        if not is_scope(scope):
            yield f"SCOPES: number {number} is not a scope, a word such as notes:write"
    if len(" ".join({*settings.scopes} | OWN_SCOPES)) > MAX_SCOPES_LENGTH:
        yield f"SCOPES: with the service's own, at most {MAX_SCOPES_LENGTH} characters"
    for number, name in enumerate(settings.factor_required_roles, start=1):
        if not is_role_name(name):
            yield f"FACTOR_REQUIRED_ROLES: number {number} is not the name of a role"


def _check_providers(settings: Fields) -> list[str]:
    if settings.providers_file is None:
        return ["RETURN_URLS: has no use without PROVIDERS_FILE"] if settings.return_urls else []
    faults = []
    if not settings.return_prefixes:
        faults.append("RETURN_URLS: is needed with PROVIDERS_FILE where PAGES are off")
    if settings.environment == "production" and not settings.public_base.startswith("https://"):
        faults.append("PUBLIC_URL: is needed with PROVIDERS_FILE, and begins with https://")
    return faults


_CHECKS = (
    _check_threads,
    _check_secrets,
    _check_key_files,
    _check_credentials,
    _check_production,
    _check_store,
    _check_mail,
    _check_webhook,
    _check_verification,
    _check_providers,
    check_factors,
    _check_scopes,
)
