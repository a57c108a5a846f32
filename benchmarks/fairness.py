"""Whether a flood of log-ins takes the hashing queue from others.

    python -m benchmarks.fairness [--seconds 60] [--pause 1]

Ten clients log in now and then: alone; beside one address with 150 connections that log in
without end; and beside 150 addresses that do the same. Meanwhile one client reads the profile,
and one refreshes. The flood has the right password, so that no limit on failures ends it. A
connection that is refused comes back after a second, whatever `Retry-After` says; `--pause 0`
makes it a flood of requests as well, which takes the processor from the hashes.

Exits with 1 where, beside the one address, any of the ten was refused or waited, in the mean,
more than three times what it did alone. Needs `wrk`, and `benchmarks/requirements.txt`.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import mean, quantiles
from typing import Any

import click

from benchmarks.load import TIMEOUT_SECONDS, reading, require_wrk, wrk
from benchmarks.systems import OURS, Running, running

HASH_COST = 12
CONNECTIONS = 150
OTHERS = 10
PAUSE_SECONDS = 5.0  # Of each of the ten between two log-ins, in the mean.
READS_PER_SECOND = 20
REFRESHES_PER_SECOND = 5
WARM_SECONDS = 3.0  # Until the flood has filled the queue.
MOST_TIMES_ALONE = 3.0
FLOODER = "192.0.2.1"

Figures = dict[str, Any]


class Caller(threading.Thread):
    """Does the same again and again, and notes statuses and seconds."""

    def __init__(self, act: Callable[[], int], pause: Callable[[], float]) -> None:
        super().__init__(daemon=True)
        self._act, self._pause = act, pause
        self._ended = threading.Event()
        self.answers: list[tuple[int, float]] = []

    def run(self) -> None:
        """Act until told to end."""
        while not self._ended.wait(self._pause()):
            started = time.perf_counter()
            status = self._act()
            self.answers.append((status, time.perf_counter() - started))

    def finish(self) -> list[tuple[int, float]]:
        """End after the request that is under way; return statuses and seconds."""
        self._ended.set()
        self.join()
        return self.answers


@dataclass(frozen=True)
class Flood:
    """Connections that log in without end; none, where there are no lines for the script."""

    lines: list[str]
    pause_seconds: float

    def run(self, server: Running, seconds: float) -> Figures:
        """Log in for so long, and return what came of it."""
        if not self.lines:
            return {}
        load = wrk(
            server,
            OURS.login,
            script="addresses.lua",
            connections=CONNECTIONS,
            seconds=seconds,
            lines=self.lines,
            pause_seconds=self.pause_seconds,
        )
        refused = load.errors / load.seconds
        return {
            "served_per_second": round(load.per_second - refused, 2),
            "refused_per_second": round(refused, 1),
            "server_cores": round(load.server_cores, 2),
            "generator_cores": round(load.generator_cores, 2),
        }


@click.command()
@click.option("--seconds", default=60.0, help="Of each of the three phases.")
@click.option("--pause", default=1.0, help="Seconds that the flood waits after a refusal.")
@click.option("--seed", default=0, help="Of the ten clients' dice; the same in each phase.")
def main(*, seconds: float, pause: float, seed: int) -> None:
    """Measure the three phases, print them as JSON, and judge."""
    require_wrk()
    with running(OURS, bcrypt_rounds=HASH_COST, TRUSTED_PROXIES="127.0.0.1") as server:
        emails = server.sign_up(OTHERS)
        (flooder,) = server.sign_up(1, "flooder")
        body = OURS.login_body(flooder)
        floods: dict[str, list[str]] = {
            "alone": [],
            "one address": [f"{FLOODER} {body}"],
            "many addresses": [f"203.0.113.{number} {body}" for number in range(CONNECTIONS)],
        }
        phases = {
            name: _phase(server, emails, Flood(lines, pause), seconds, seed)
            for name, lines in floods.items()
        }
    alone, flooded = phases["alone"], phases["one address"]
    times = [
        beside / before for before, beside in zip(alone["mean_s"], flooded["mean_s"], strict=True)
    ]
    print(json.dumps({"phases": phases, "times_alone": [round(each, 2) for each in times]}))
    sys.exit(flooded["refused"] > 0 or max(times) > MOST_TIMES_ALONE)


def _phase(server: Running, emails: list[str], flood: Flood, seconds: float, seed: int) -> Figures:
    token = server.log_in(emails[0])["access_token"]
    refresher = _refresher(server, emails[0])
    with (
        ThreadPoolExecutor(1) as executor,
        reading(server, token, per_second=READS_PER_SECOND) as reader,
    ):
        flooding = executor.submit(flood.run, server, seconds + WARM_SECONDS)
        time.sleep(WARM_SECONDS)
        others = [
            _other(server, email, f"198.51.100.{number}", random.Random(seed + number))
            for number, email in enumerate(emails)
        ]
        for thread in (refresher, *others):
            thread.start()
        time.sleep(seconds)
        answers = [other.finish() for other in others]
        refreshes = refresher.finish()
        profile = reader.finish(skip_seconds=WARM_SECONDS)
        flood_figures = flooding.result()
    waits = [wait for client in answers for _, wait in client]
    return {
        "log_ins": len(waits),
        "refused": sum(status != http.HTTPStatus.OK for client in answers for status, _ in client),
        "mean_s": [round(mean(wait for _, wait in client), 3) for client in answers],
        "max_s": round(max(waits), 3),
        "profile": {name: profile[name] for name in ("errors", "p50_ms", "p99_ms", "max_ms")},
        "refresh": {
            "errors": sum(status != http.HTTPStatus.OK for status, _ in refreshes),
            "p50_ms": _percentile(refreshes, 50),
            "p99_ms": _percentile(refreshes, 99),
        },
        "flood": flood_figures,
    }


def _other(server: Running, email: str, address: str, dice: random.Random) -> Caller:
    """Log in from one address, now and then."""
    connection = _connect(server)
    body = OURS.login_body(email)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}

    def act() -> int:
        connection.request("POST", OURS.login, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    return Caller(act, lambda: dice.uniform(0, 2 * PAUSE_SECONDS))


def _refresher(server: Running, email: str) -> Caller:
    """Refresh one session."""
    connection = _connect(server)
    pair = server.log_in(email)

    def act() -> int:
        nonlocal pair
        assert OURS.refresh is not None
        body = json.dumps({"refresh_token": pair["refresh_token"]})
        connection.request("POST", OURS.refresh, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        pair = json.load(answer)
        return answer.status

    return Caller(act, lambda: 1 / REFRESHES_PER_SECOND)


def _connect(server: Running) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_SECONDS)


def _percentile(answers: list[tuple[int, float]], percent: int) -> float:
    seconds = [seconds for _, seconds in answers]
    return round(quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1000, 2)


if __name__ == "__main__":
    main()
