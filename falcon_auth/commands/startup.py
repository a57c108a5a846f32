"""What a process does before it builds a service: read the settings, or refuse to start.

gunicorn's master does so too, by `deploy/gunicorn.conf.py`: faults on which every worker would
fail, again and again, are reported there before a port is opened.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from falcon_auth.errors import ConfigurationError
from falcon_auth.observability.metrics_folder import UnfitFolderError, clear
from falcon_auth.settings import Settings, load_settings

EXIT_CONFIGURATION = 2
# gunicorn's WORKER_BOOT_ERROR: it ends as well, where after any other code it starts a new worker.
EXIT_WORKER_BOOT = 3
EXIT_TRY_AGAIN = 1
PROCESSES_VARIABLE = "WEB_CONCURRENCY"  # How many workers a server starts; gunicorn's, and others'.


def settings_or_exit(code: int = EXIT_CONFIGURATION) -> Settings:
    """Read the settings; if they are invalid, print one line per fault and exit with *code*."""
    try:
        return load_settings()
    except ConfigurationError as error:
        refuse(str(error), code)


def refuse(faults: str, code: int = EXIT_CONFIGURATION) -> NoReturn:
    """Write to standard error why nothing is served, and exit."""
    sys.stderr.write(f"Falcon Auth cannot start:\n{faults}\n")
    sys.stderr.flush()
    sys.exit(code)


def announced_processes() -> int:
    """Return how many processes WEB_CONCURRENCY asks for, 1 where it does not say."""
    number = os.environ.get(PROCESSES_VARIABLE, "")
    return int(number) if number.isascii() and number.isdigit() else 1


def check_processes(settings: Settings, processes: int) -> None:
    """Raise `ConfigurationError` if that many *processes* would not share their users."""
    if processes > 1 and settings.database is None:
        raise ConfigurationError(
            f"DATABASE_URL: is needed for {processes} processes; in memory, each would have users "
            f"of its own. Name a database, or start one process ({PROCESSES_VARIABLE}=1)"
        )


def check_master(settings: Settings, processes: int) -> None:
    """Exit with code 2 if workers could not serve with these settings; for their master.

    It opens and closes the database once, which also migrates an SQLite file before several
    processes would do so concurrently.
    """
    try:
        check_processes(settings, processes)
        if settings.database is not None:
            _open_once(settings.database.get_secret_value())
    except ConfigurationError as error:
        refuse(str(error))


def clear_metrics_folder(folder: Path) -> None:
    """Delete the files of earlier processes; exit with code 2 if *folder* contains others."""
    try:
        clear(folder)
    except UnfitFolderError as error:
        refuse(str(error))


def _open_once(url: str) -> None:
    # Imported here: a service in memory has no use for SQLAlchemy.
    from falcon_auth.stores.sql.database import DatabaseUrlError  # noqa: PLC0415
    from falcon_auth.stores.sql.opening import DatabaseUnfitError, open_database  # noqa: PLC0415

    try:
        open_database(url, pool_size=1, threshold=1, timeout=1).close()
    except (DatabaseUrlError, DatabaseUnfitError) as error:
        raise ConfigurationError(f"DATABASE_URL: {error}") from None
