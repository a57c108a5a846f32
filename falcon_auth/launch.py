"""From the environment to a running service; what is wrong is said in plain lines."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
from typing import NoReturn, TextIO

from falcon_auth.serving import Limits, Server, serve
from falcon_auth.settings import ConfigurationError, Settings, load_settings
from falcon_auth.telemetry import configure_logging
from falcon_auth.wiring import FalconAuth, create_app

EXIT_CONFIGURATION = 2
GARBAGE_THRESHOLD = 10_000  # Objects made until the youngest are looked over; Python's is 700.


def read_settings(*, logs: TextIO | None = None) -> Settings:
    """Read the settings, and set up the logs as they say, to *logs* or standard output.

    Exits with code 2, every fault on a line of its own, where they make no service.
    """
    try:
        settings = load_settings()
    except ConfigurationError as error:
        _refuse(str(error))
    configure_logging(level=settings.log_level, form=settings.log_format, stream=logs)
    return settings


def build(settings: Settings | None = None) -> FalconAuth:
    """Build the application, by default from the environment. Exits as `read_settings` does.

    It is closed when the process ends, whichever server it runs under.
    """
    try:
        app = create_app(settings or read_settings())
    except ConfigurationError as error:
        _refuse(str(error))
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
            shutdown_delay=settings.shutdown_delay_seconds,
            on_drain=service.drain,
            limits=Limits(one_core=settings.request_threads_on_one_core),
        )
    except OSError as error:
        service.close()
        reason = str(error.strerror).partition(" (while")[0]  # What follows quotes the host.
        _refuse(f"HOST, PORT: cannot listen on port {settings.port} there: {reason}")
    if hasattr(signal, "SIGHUP"):  # pragma: no branch - not on Windows
        signal.signal(signal.SIGHUP, lambda _number, _frame: service.reload_keys())
    gc.freeze()  # What lives as long as the process need not be looked at again,
    gc.set_threshold(GARBAGE_THRESHOLD)  # and a request leaves next to nothing in circles.
    try:
        return serve(server)
    finally:
        service.close()


def _refuse(faults: str) -> NoReturn:
    sys.stderr.write(f"Falcon Auth cannot start:\n{faults}\n")
    sys.exit(EXIT_CONFIGURATION)
