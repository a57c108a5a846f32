"""A soak: mixed legal and illegal traffic of 64 clients, and what it leaves behind.

    python -m benchmarks.soak --minutes 20
    python -m benchmarks.soak --minutes 20 --database postgresql+psycopg://…  (migrated already)

Exits with 1 where an answer had a status that its request does not allow, or where memory,
threads or descriptors of the server grew after the warm-up. An ended session stays known for an
hour, so the memory store may grow by those; the report tells how much that explains.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from statistics import mean

import click
import psutil
from tqdm import tqdm

from benchmarks.soak_client import Client
from benchmarks.systems import OURS, Running, running

CLIENTS = 64
SAMPLE_SECONDS = 1.0
WARM_SHARE = 0.25  # Of the time, until pools and caches are filled.
MIB = 2**20
SESSION_BYTES = 1024  # What a session takes in the memory store, generously.
GRANTED_MIB = 8.0  # What an allocator may vary by.
GRANTED_THREADS = 0
GRANTED_DESCRIPTORS = 8  # A connection more or less, at the moment of a sample.


class Watch(threading.Thread):
    """Samples what the server holds."""

    def __init__(self, server: Running) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(server.process.pid)
        self._ended = threading.Event()
        self.samples: list[tuple[float, int, int]] = []

    def run(self) -> None:
        """Sample until told to end."""
        while not self._ended.wait(SAMPLE_SECONDS):
            self.samples.append(
                (
                    self._process.memory_info().rss / MIB,
                    self._process.num_threads(),
                    self._process.num_fds(),
                )
            )

    def finish(self) -> dict[str, tuple[float, float]]:
        """Return for each kind its mean after the warm-up and at the end."""
        self._ended.set()
        self.join()
        warm = self.samples[int(len(self.samples) * WARM_SHARE) :]
        share = max(1, len(warm) // 5)
        return {
            name: (
                mean(each[kind] for each in warm[:share]),
                mean(each[kind] for each in warm[-share:]),
            )
            for kind, name in enumerate(("memory MiB", "threads", "descriptors"))
        }


@click.command()
@click.option("--minutes", default=20.0, help="How long.")
@click.option("--clients", default=CLIENTS, help="How many clients at once.")
@click.option("--database", default="", help="DATABASE_URL, migrated; empty: in memory.")
@click.option("--rounds", default=5, help="bcrypt's cost: a low one, for more of everything else.")
@click.option("--seed", default=0, help="Of the clients' dice.")
def main(*, minutes: float, clients: int, database: str, rounds: int, seed: int) -> None:
    """Put the traffic on, watch, and report."""
    settings = {"SESSIONS_PER_USER": "10", "TRUSTED_PROXIES": "127.0.0.1"} | (
        {"DATABASE_URL": database} if database else {}
    )
    with running(OURS, bcrypt_rounds=rounds, **settings) as server:
        watch = Watch(server)
        run = f"{time.time():.0f}"  # Another run on the same database has other users.
        crowd = [
            Client(server.port, f"{run}.{number}", random.Random(seed + number))
            for number in range(clients)
        ]
        ended = threading.Event()
        workers = [
            threading.Thread(target=client.run, args=(ended,), daemon=True) for client in crowd
        ]
        watch.start()
        for worker in workers:
            worker.start()
        for _ in tqdm(range(max(1, int(minutes * 60))), unit="s", leave=False):
            time.sleep(1)
            if server.process.poll() is not None:
                break
        ended.set()
        for worker in workers:
            worker.join(60)
        held = watch.finish()
        died = server.process.poll() is not None
    sys.exit(_report(crowd, held, in_memory=not database, died=died))


def _report(
    crowd: list[Client], held: dict[str, tuple[float, float]], *, in_memory: bool, died: bool
) -> int:
    answers: Counter[tuple[str, int]] = Counter()
    unexpected: Counter[str] = Counter()
    for client in crowd:
        answers += client.answers
        unexpected += client.unexpected
    opened = sum(
        count
        for (action, status), count in answers.items()
        if status in {200, 201} and action in {"login", "register"}
    )
    explained = opened * SESSION_BYTES / MIB if in_memory else 0.0
    granted = {
        "memory MiB": GRANTED_MIB + explained,
        "threads": GRANTED_THREADS,
        "descriptors": GRANTED_DESCRIPTORS,
    }
    growth = {name: after - before for name, (before, after) in held.items()}
    grown = {name: value for name, value in growth.items() if value > granted[name]}
    by_action: dict[str, dict[str, int]] = {}
    for (action, status), count in sorted(answers.items()):
        by_action.setdefault(action, {})[str(status)] = count
    print(
        json.dumps(
            {
                "answers": sum(answers.values()),
                "by_action": by_action,
                "unexpected": dict(unexpected),
                "after_warm_up_and_at_the_end": held,
                "growth": growth,
                "granted": granted,
                "sessions_opened": opened,
                "server_died": died,
            },
            indent=1,
        )
    )
    return int(bool(unexpected) or bool(grown) or died)


if __name__ == "__main__":
    main()
