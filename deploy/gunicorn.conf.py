"""Several processes: `gunicorn -c deploy/gunicorn.conf.py app:application`.

The processes share users and sessions by DATABASE_URL, counters of attempts by that or REDIS_URL,
and keys by JWT_SECRET_KEY: set these. HOST, PORT and REQUEST_THREADS mean what they mean to
`python app.py`; WEB_CONCURRENCY is the number of processes.
"""

# ruff: noqa: INP001 - gunicorn reads this file by its path

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
OWNER = "FALCON_AUTH_METRICS_OWNER"  # The process that made the folder, to be inherited with it.

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"  # Most requests wait for the store or for a hash, and hold no core.
threads = int(os.environ.get("REQUEST_THREADS", "160"))
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


def on_starting(server: Arbiter) -> None:  # noqa: ARG001 - gunicorn's shape
    """Forget what an earlier run counted: its processes' numbers may come up again."""
    if "GUNICORN_PID" in os.environ:
        return  # Started by SIGUSR2: a folder that was given is still in use.
    for file in Path(os.environ[FOLDER]).glob("*.db"):
        file.unlink()


def child_exit(server: Arbiter, worker: Worker) -> None:  # noqa: ARG001 - gunicorn's shape
    """Take the gauges of a process that has ended out of the sums; what it counted stays."""
    # The library looks at the environment when it is imported: not before the folder is set.
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - see above

    mark_process_dead(worker.pid)
