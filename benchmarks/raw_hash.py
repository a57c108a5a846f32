"""The limit of log-ins: a bare loop of bcrypt verifications on some threads, nothing else.

    python -m benchmarks.raw_hash COST THREADS SECONDS

Prints verifications a second.
"""

from __future__ import annotations

import sys
import threading
import time

import bcrypt

PASSWORD = b"correct horse battery"


def main() -> None:
    """Measure."""
    cost, threads, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    stored = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(cost))
    done = [0.0] * threads
    started = time.perf_counter()

    def verify(worker: int) -> None:
        count = 0
        while time.perf_counter() - started < seconds:
            bcrypt.checkpw(PASSWORD, stored)
            count += 1
        # Each worker's own rate: the last hash of one ends later than that of the other.
        done[worker] = count / (time.perf_counter() - started)

    workers = [threading.Thread(target=verify, args=(worker,)) for worker in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(sum(done))


if __name__ == "__main__":
    main()
