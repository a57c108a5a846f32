"""How commands open a service whose store outlives them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from falcon_auth.commands.serve import build, read_settings
from falcon_auth.service import Service
from falcon_auth.settings import Settings

VERBOSE = "falcon_auth.verbose"  # Where `--verbose` is noted in click's context.
_SQLITE = "sqlite:///"


@contextmanager
def open_service(*, may_create: bool = False) -> Iterator[Service]:
    """Build the service of the environment, and close it.

    Its log is written, to standard error, only with `--verbose`. Exits with code 2 if the settings
    are invalid. Raises `click.ClickException` if users would be kept in memory only, or if their
    file does not exist, unless the command *may_create* it: a misspelt path must not create a
    database.
    """
    settings = read_settings(logs=sys.stderr, only_errors=not is_verbose())
    if settings.database is None and settings.snapshot_file is None:
        raise click.ClickException(
            "Set DATABASE_URL or SNAPSHOT_FILE: users in memory belong to the serving process, "
            "and nothing would be kept."
        )
    if not may_create:
        _check_file(settings)
    service = build(settings).service
    try:
        yield service
    finally:
        service.close()


def is_verbose() -> bool:
    """Return whether the running command has `--verbose`."""
    return bool(click.get_current_context().meta.get(VERBOSE))


def _check_file(settings: Settings) -> None:
    name, path = "SNAPSHOT_FILE", settings.snapshot_file
    if settings.database is not None:
        url = settings.database.get_secret_value()
        if not url.startswith(_SQLITE):
            return
        name, path = "DATABASE_URL", Path(url.removeprefix(_SQLITE).partition("?")[0])
    if path is not None and not path.exists():
        raise click.ClickException(
            f"{name}: the file {path} does not exist; `users create` and `serve` create it."
        )
