"""What commands on users share: a service whose store outlives the command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from falcon_auth.launch import build, read_settings
from falcon_auth.wiring import Service


@contextmanager
def open_service() -> Iterator[Service]:
    """Build the service of the environment, and close it; logs go to standard error.

    Exits with code 2 where the settings make none. Raises `click.ClickException` where users
    would be kept in memory only.
    """
    settings = read_settings(logs=sys.stderr)
    if settings.database_url is None and settings.snapshot_file is None:
        raise click.ClickException(
            "Set DATABASE_URL or SNAPSHOT_FILE: users in memory are the serving process's own, "
            "and nothing would be kept."
        )
    service = build(settings).service
    try:
        yield service
    finally:
        service.close()
