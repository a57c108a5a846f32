"""Several processes: `gunicorn -c deploy/gunicorn.conf.py app:application`.

The processes share users and sessions by DATABASE_URL, counters of attempts by that or REDIS_URL,
and keys by JWT_SECRET_KEY: set these, in the environment or in `.env`. HOST, PORT and
REQUEST_THREADS mean what they mean to `python app.py`; WEB_CONCURRENCY is the number of processes.

What makes no service ends the master with code 2 and a message, before a port is opened.
"""

# ruff: noqa: INP001 - gunicorn reads this file by its path

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parents[1]))  # For gunicorn started elsewhere.

from falcon_auth.commands import startup

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
OWNER = "FALCON_AUTH_METRICS_OWNER"  # The process that made the folder, to be inherited with it.

_settings = startup.settings_or_exit()
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
bind = f"{_host}:{_settings.port}"
worker_class = "gthread"  # Most requests wait for the store or for a hash, and hold no core.
threads = _settings.request_threads
keepalive = 75  # Longer than a proxy keeps its own end (nginx: 60 s), which may be about to send.
graceful_timeout = 30  # For running requests at shutdown.
forwarded_allow_ips = ""  # TRUSTED_PROXIES decides, in the application.


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # The workers inherit this task.
        shutil.rmtree(folder, ignore_errors=True)


# Metrics: each process writes its own into files here, and a scrape adds them up.
# Read again at SIGHUP, when the folder stays; the successor that SIGUSR2 starts gets its own.
if FOLDER not in os.environ or os.environ.get(OWNER, str(os.getpid())) != str(os.getpid()):
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="falcon-auth-metrics-")
    os.environ[OWNER] = str(os.getpid())
    atexit.register(_remove, os.environ[FOLDER], os.getpid())


def on_starting(server: Arbiter) -> None:
    """Refuse what the workers could only fail at, and forget what an earlier run counted."""
    startup.check_master(_settings, server.cfg.workers)
    if "GUNICORN_PID" not in os.environ:  # Else started by SIGUSR2: the folder is in use.
        startup.clear_metrics_folder(Path(os.environ[FOLDER]))


def child_exit(server: Arbiter, worker: Worker) -> None:  # noqa: ARG001 - gunicorn's shape
    """Take the gauges of a process that has ended out of the sums; what it counted stays."""
    # The library looks at the environment when it is imported: not before the folder is set.
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - see above

    mark_process_dead(worker.pid)
