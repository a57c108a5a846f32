"""Build and serve the application from the environment; faults are reported one per line."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
import time
from collections.abc import Callable
from typing import TextIO

import structlog

from falcon_auth.api.refusals import refusals_of
from falcon_auth.commands.startup import (
    EXIT_TRY_AGAIN,
    EXIT_WORKER_BOOT,
    announced_processes,
    check_processes,
    refuse,
    settings_or_exit,
)
from falcon_auth.errors import ConfigurationError, DatabaseAwayError
from falcon_auth.observability.logs import configure_logging
from falcon_auth.server import Limits, Server, serve
from falcon_auth.service import FalconAuth, create_app
from falcon_auth.settings import Settings, setting_names
from falcon_auth.settings.variables import suspicious_names

log = structlog.get_logger("falcon_auth.start")

AWAY_SECONDS = 5.0  # Between attempts to start while the database is unavailable.
GARBAGE_THRESHOLD = 10_000  # Allocations between collections of the youngest generation, not 700.


def read_settings(*, logs: TextIO | None = None, only_errors: bool = False) -> Settings:
    """Read the settings, and set up the logs as they say, to *logs* or standard output.

    With *only_errors*, only errors are logged whatever LOG_LEVEL says, and variables that may be
    misspelt are named on standard error. If the settings are invalid, prints one line per fault and
    exits with code 2.
    """
    settings = settings_or_exit()
    if only_errors:
        configure_logging(level="ERROR", form=settings.log_format, stream=logs)
        for name, nearest in suspicious_names(setting_names()).items():
            sys.stderr.write(f"{name} has no effect; did you mean {nearest}?\n")
    else:
        _begin_log(settings, logs)
    return settings


def _begin_log(settings: Settings, stream: TextIO | None) -> None:
    """Configure logging; its first lines name variables that may be misspelt."""
    configure_logging(level=settings.log_level, form=settings.log_format, stream=stream)
    for name, nearest in suspicious_names(setting_names()).items():
        log.warning("unknown_variable", name=name, nearest=nearest, consequence="has no effect")


def build(settings: Settings | None = None) -> FalconAuth:
    """Build the application, by default from the environment. Exits as `read_settings` does.

    It is closed when the process ends, whichever server it runs under.
    """
    try:
        return _build(settings or read_settings())
    except ConfigurationError as error:
        refuse(str(error))


def build_for_server(pause: Callable[[float], object] = time.sleep) -> FalconAuth:
    """Build the application for another server, which imports it, in each process or before.

    Exits with the code that has gunicorn end as well, where the environment makes no service.
    While the database does not answer, gunicorn tries again, every AWAY_SECONDS: a worker that is
    replaced must not take the others with it.
    """
    settings = settings_or_exit(EXIT_WORKER_BOOT)
    _begin_log(settings, None)
    try:
        check_processes(settings, announced_processes())
        return _build(settings)
    except DatabaseAwayError as error:
        pause(AWAY_SECONDS)
        refuse(str(error), EXIT_TRY_AGAIN)
    except ConfigurationError as error:
        refuse(str(error), EXIT_WORKER_BOOT)


def _build(settings: Settings) -> FalconAuth:
    app = create_app(settings)
    atexit.register(app.service.close)
    return app


def serve_app(app: FalconAuth) -> int:
    """Serve with waitress until SIGTERM or SIGINT; return the exit code. SIGHUP reloads keys.

    Exits with code 2 where host or port cannot be had.
    """
    settings, service = app.service.settings, app.service
    try:
        server = Server(
            app,
            host=settings.host,
            port=settings.port,
            threads=settings.request_threads,
            on_drain=service.drain,
            word_refusal=refusals_of(app),
            limits=Limits(
                one_core=settings.request_threads_on_one_core,
                shutdown_delay_seconds=settings.shutdown_delay_seconds,
            ),
        )
    except OSError as error:
        service.close()
        reason = str(error.strerror).partition(" (while")[0]  # What follows quotes the host.
        refuse(f"HOST, PORT: cannot listen on port {settings.port} there: {reason}")
    if hasattr(signal, "SIGHUP"):  # pragma: no branch - not on Windows
        signal.signal(signal.SIGHUP, lambda _number, _frame: service.reload_keys())
    gc.freeze()  # Objects that live as long as the process need not be traversed again,
    gc.set_threshold(GARBAGE_THRESHOLD)  # and a request leaves almost no reference cycles.
    service.housekeeper.ensure_running()  # Mails from before may be waiting; they need no request.
    try:
        return serve(server)
    finally:
        service.close()
