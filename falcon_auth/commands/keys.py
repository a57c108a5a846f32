"""The commands around keys: `secret`, `keys …` and `service-token`."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path

import click

from falcon_auth.delivery.webhook_url import make_secret
from falcon_auth.errors import ConfigurationError
from falcon_auth.factors.encryption import make_key
from falcon_auth.keys import ASYMMETRIC, SYMMETRIC
from falcon_auth.keys.folder import KeyFolder
from falcon_auth.keys.live import KeyFolderError
from falcon_auth.keys.pem import make_pem, parse_pem, write_secret
from falcon_auth.keys.rotation import KeyRecord, Plan, StepError, UnsafeStepError
from falcon_auth.keys.service_credentials import is_credential, make_credential
from falcon_auth.settings import Settings, load_settings

SECRET_BYTES = 48  # As base64, 64 characters: enough for HS512 too (RFC 7518, 3.2).
SECONDS_PER_DAY = 24 * 3600
LONGEST_LINK_SECONDS = 7 * SECONDS_PER_DAY  # An invitation's; no other link lives longer.
EXIT_UNSAFE = 3  # The step is not safe yet; a timer tries again later.


class _TooEarly(click.ClickException):
    exit_code = EXIT_UNSAFE


@click.command()
@click.option(
    "--algorithm",
    type=click.Choice([*SYMMETRIC, *ASYMMETRIC]),
    default="HS256",
    help="The JWT algorithm of the key.",
)
@click.option("--encryption", is_flag=True, help="Create a key for ENCRYPTION_KEYS instead.")
@click.option("--webhook", is_flag=True, help="Create a secret for WEBHOOK_SECRET instead.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the key to this file (mode 0600)."
)
def secret(algorithm: str, out: Path | None, *, encryption: bool, webhook: bool) -> None:
    """Create a key: a text for JWT_SECRET_KEY, or PEM for JWT_PRIVATE_KEY_FILE.

    An existing file is never overwritten.
    """
    if encryption:
        data = f"{make_key()}\n".encode()
    elif webhook:
        data = f"{make_secret()}\n".encode()
    elif algorithm in ASYMMETRIC:
        data = make_pem(algorithm)
    else:
        data = secrets.token_urlsafe(SECRET_BYTES).encode() + b"\n"
    if out is None:
        click.echo(data.decode(), nl=False)
        return
    with _said_plainly():
        write_secret(out, data)
    if algorithm in ASYMMETRIC and not (encryption or webhook):
        click.echo(f"kid {parse_pem(data, algorithm).kid}")


@click.command("service-token")
@click.argument("name")
def service_token(name: str) -> None:
    """Create a credential with which the service NAME may introspect tokens."""
    token, credential = make_credential(name)
    if not is_credential(credential):
        raise click.ClickException("NAME: must have 1 to 64 letters, digits, _, . or -")
    click.echo(f"token, only for {name}:        {token}")
    click.echo(f"add to INTROSPECTION_TOKENS:  {credential}")


@click.group()
def keys() -> None:
    """Rotate the keys of JWT_KEY_DIRECTORY. Services follow within seconds, without a restart.

    A key goes from next (published) to active (signs) to retiring (verifies) to gone. A step that
    would break a verifier or a token is refused with exit code 3, and says when it is safe.
    """


def _on_folder(command: Callable[..., None]) -> Callable[..., None]:
    """Pass the settings and the key folder to a command."""

    @wraps(command)
    def run(**options: object) -> None:
        with _said_plainly():
            settings = load_settings()
            if settings.jwt_key_directory is None:
                raise click.ClickException("JWT_KEY_DIRECTORY: is not set")
            command(settings, KeyFolder(settings.jwt_key_directory), **options)

    return run


_force = click.option(
    "--force",
    is_flag=True,
    help="Do not wait, because a key was stolen. Breaks what it would wait for.",
)


@keys.command()
def reencrypt() -> None:
    """Encrypt the secrets of second factors with the first of ENCRYPTION_KEYS.

    Run it once all processes have the new key; afterwards the old ones can be removed. It can run
    while users log in, and be repeated. Exits with code 1 if a secret needs a key that is missing.
    """
    # Imported here: the other commands on keys need no store.
    from falcon_auth.commands.store import open_service  # noqa: PLC0415
    from falcon_auth.service.factors import make_box  # noqa: PLC0415

    with open_service() as service:
        if not service.settings.encryption_keys:
            raise click.ClickException("ENCRYPTION_KEYS: is not set")
        changed, undecryptable = service.factor_upkeep.reencrypt(make_box(service.settings))
    click.echo(f"{changed} re-encrypted")
    if undecryptable:
        raise click.ClickException(f"{undecryptable} need a key that ENCRYPTION_KEYS lacks")


@keys.command("list")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object per line; times in epoch seconds.",
)
@_on_folder
def list_keys(_settings: Settings, folder: KeyFolder, *, as_json: bool) -> None:
    """Show every key: its state, since when, and when its next step is safe."""
    for record in folder.read_plan().keys:
        shown = {**record.model_dump(), "safe_at": record.safe_at}
        click.echo(json.dumps(shown) if as_json else _line(record))


@keys.command()
@click.option("--algorithm", type=click.Choice(ASYMMETRIC), help="Default: JWT_ALGORITHM.")
@_on_folder
def add(settings: Settings, folder: KeyFolder, algorithm: str | None) -> None:
    """Create a key and publish it as the next one; the very first key signs at once."""
    with folder.changing() as plan:
        _add(folder, plan, algorithm or settings.jwt_algorithm, settings)


@keys.command()
@_force
@_on_folder
def promote(settings: Settings, folder: KeyFolder, *, force: bool) -> None:
    """Make the next key sign, and retire the active one."""
    with folder.changing() as plan:
        _show(folder, plan.promote(now=time.time(), token_seconds=_life(settings), force=force))


# A key's id may begin with a hyphen: it is base64url.
@keys.command(context_settings={"ignore_unknown_options": True})
@click.argument("kid")
@_force
@_on_folder
def remove(_settings: Settings, folder: KeyFolder, *, kid: str, force: bool) -> None:
    """Remove the key KID, which must be retiring or next, and delete its file."""
    with folder.changing() as plan:
        _show(folder, plan.remove(kid, now=time.time(), force=force))


@keys.command()
@click.option(
    "--every",
    "days",
    default=90,
    type=click.IntRange(1, 3650),
    help="How many days a key signs.",
)
@_on_folder
def rotate(settings: Settings, folder: KeyFolder, *, days: int) -> None:
    """Take every step that is due and safe; run it hourly from a timer."""
    now = time.time()
    with folder.changing() as plan:
        advanced = plan.advance(now=now, token_seconds=_life(settings))
        if not advanced.wants_key(now=now, every_seconds=days * SECONDS_PER_DAY):
            if advanced != plan:  # Otherwise services would reload for nothing.
                _show(folder, advanced)
            return
        active = advanced.only("active")
        _add(folder, advanced, active.algorithm if active else settings.jwt_algorithm, settings)


def _add(folder: KeyFolder, plan: Plan, algorithm: str, settings: Settings) -> None:
    if algorithm not in ASYMMETRIC:
        raise click.ClickException(f"JWT_ALGORITHM is {algorithm}; use `keys add --algorithm …`")
    pem = make_pem(algorithm)
    kid = parse_pem(pem, algorithm).kid
    changed = plan.add(
        kid,
        algorithm,
        now=time.time(),
        token_seconds=_life(settings),
        cache_seconds=settings.key_cache_seconds,
    )
    folder.add_key(kid, pem)
    _show(folder, changed)


def _show(folder: KeyFolder, plan: Plan) -> None:
    folder.write_plan(plan)
    for record in plan.live():
        click.echo(_line(record))


def _life(settings: Settings) -> int:
    """Return the longest lifetime of any token, in seconds, under the current settings."""
    return max(
        settings.access_token_expire_minutes * 60,
        settings.refresh_token_expire_days * SECONDS_PER_DAY,
        LONGEST_LINK_SECONDS,
    )


def _line(record: KeyRecord) -> str:
    since = record.gone_at or record.retired_at or record.activated_at or record.published_at
    line = f"{record.kid}  {record.algorithm:<5}  {record.state:<8}  since {_time(since)}"
    if record.safe_at is None:
        return line
    step = "promote" if record.state == "next" else "remove"
    return f"{line}  {step} from {_time(record.safe_at)}"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _said_plainly() -> Iterator[None]:
    """Turn expected errors into one-line messages and exit codes."""
    try:
        yield
    except UnsafeStepError as error:
        raise _TooEarly(f"{error} It will be safe at {_time(error.safe_at)}.") from None
    except (StepError, KeyFolderError, ConfigurationError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(
            f"{error.filename}: cannot be written: {error.strerror}."
        ) from None
