"""Load: wrk with the scripts in lua/, and one patient client that reads at a fixed pace."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from benchmarks.systems import Running

LUA = Path(__file__).parent / "lua"
TIMEOUT_SECONDS = 60  # A log-in behind a hundred others takes as long.


@dataclass(frozen=True)
class Load:
    """The figures of one run of wrk; latencies in milliseconds, processor shares of one core."""

    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    generator_cores: float
    server_cores: float


def require_wrk() -> None:
    """Stop with a message where wrk is missing."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed to make the load: install it (Debian: apt install wrk).")


def wrk(
    server: Running,
    path: str,
    *,
    script: str,
    connections: int,
    seconds: float,
    lines: Sequence[str] = (),
    media_type: str = "application/json",
    pause_seconds: float = 0,
) -> Load:
    """Put load on one path. *lines* are what the script sends, in turn.

    *pause_seconds* is for `addresses.lua`: what a connection waits after a refusal.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency"]
        command += [f"--timeout={TIMEOUT_SECONDS}s", "-s", str(LUA / script), server.url(path)]
        scripts = {"BENCH_LUA": str(LUA), "BENCH_LINES": file.name, "BENCH_TYPE": media_type}
        scripts["BENCH_PAUSE"] = str(round(pause_seconds * 1000))
        used, served = _children_seconds(), server.cpu_seconds()
        started = time.perf_counter()
        output = subprocess.run(
            command, env=os.environ | scripts, capture_output=True, text=True, check=True
        ).stdout
        took = time.perf_counter() - started
        used, served = _children_seconds() - used, server.cpu_seconds() - served
    result = json.loads(output.partition("RESULT ")[2])
    return Load(
        seconds=result["seconds"],
        per_second=result["requests"] / result["seconds"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        max_ms=result["max_ms"],
        errors=sum(result[name] for name in ("connect", "read", "write", "status", "timeout")),
        generator_cores=used / took,
        server_cores=served / took,
    )


class Reader(threading.Thread):
    """One client that reads a path *per_second* times a second on a connection of its own.

    A latency counts from when the request was due, not from when it could be sent: a client
    that waits for a slow answer would otherwise leave out the requests that suffer most.
    """

    def __init__(self, server: Running, path: str, token: str, *, per_second: int) -> None:
        super().__init__(daemon=True)
        self._server, self._path, self._token = server, path, token
        self._pause = 1 / per_second
        self._ended = threading.Event()
        self._begun_at = time.perf_counter()
        self._reads: list[tuple[float, float]] = []  # Seconds of the due time, latency in ms.
        self._errors = 0

    def run(self) -> None:
        """Read until told to end."""
        # On a machine of its own the client would not compete with the server for a core.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        headers = {"Authorization": f"Bearer {self._token}"}
        due = self._begun_at
        while not self._ended.wait(max(0.0, due - time.perf_counter())):
            try:
                connection.request("GET", self._path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                self._errors += answer.status != http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                self._errors += 1
                connection.close()
            self._note(due)
            due += self._pause
        while due < time.perf_counter():  # Those that were due, and waited for another's answer.
            self._note(due)
            due += self._pause
        connection.close()

    def _note(self, due: float) -> None:
        self._reads.append((due - self._begun_at, (time.perf_counter() - due) * 1000))

    def finish(self, *, skip_seconds: float) -> dict[str, object]:
        """End, and return the figures, less those of the first seconds."""
        self.stop()
        self.join()
        reads = [(due, latency) for due, latency in self._reads if due >= skip_seconds]
        percentiles = quantiles([latency for _, latency in reads], n=1000, method="inclusive")
        return {
            "reads": len(reads),
            "errors": self._errors,
            "p50_ms": percentiles[499],
            "p99_ms": percentiles[989],
            "max_ms": max(latency for _, latency in reads),
            "curve": [(round(due, 3), round(latency, 3)) for due, latency in reads],
        }

    def stop(self) -> None:
        """End after the read that is under way."""
        self._ended.set()


@contextlib.contextmanager
def reading(server: Running, token: str, *, per_second: int) -> Iterator[Reader]:
    """Read the profile while the block runs."""
    reader = Reader(server, server.system.profile, token, per_second=per_second)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
