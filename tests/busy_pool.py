"""Keep a hashing pool busy for as long as a test wants requests to wait."""

import os
import threading
import time
from contextlib import contextmanager

PATIENCE_SECONDS = 30  # Far beyond what anything here takes: reached only where a test fails.


def until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


@contextmanager
def occupied(pool, callers, *, workers=1):
    """Keep *workers* busy for the block; give the futures of their callers."""
    started, gate = threading.Barrier(workers + 1), threading.Event()

    def job():
        started.wait(PATIENCE_SECONDS)
        gate.wait(PATIENCE_SECONDS)
        return "done"

    running = [callers.submit(pool.run, job) for _ in range(workers)]
    started.wait(PATIENCE_SECONDS)
    try:
        yield running
    finally:
        gate.set()
