"""Measure what requests cost on this machine: a service of its own, on memory, for a few seconds.

The cost of a request is the processor time that the service took, so that the client's own share,
and whatever else the machine does, count for nothing. Linux tells it in `/proc`.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from falcon_auth.capacity.plan import Costs
from falcon_auth.errors import ConfigurationError

START_SECONDS = 30.0
JSON_BODY = {"Content-Type": "application/json"}
CHEAP_ROUNDS = 4  # Log-ins are measured at bcrypt's lowest cost, which is then taken off.
API = "/api/v1"


def measure(hash_seconds: float, cheap_hash_seconds: float, *, seconds: float) -> Costs:
    """Return the costs of a request of each kind, *seconds* of each kind being measured.

    Raises `ConfigurationError` where the service does not start, or the system does not tell a
    process's time.
    """
    with _service() as (process, port), closing(_connect(port)) as connection:
        client = _Client(connection)
        email, password = "capacity@example.com", secrets.token_urlsafe(16)
        account = {"email": email, "password": password}
        tokens = client.post(f"{API}/auth/register", account)

        def refresh() -> None:
            nonlocal tokens
            body = {"refresh_token": tokens["refresh_token"]}
            tokens = client.post(f"{API}/auth/refresh", body)

        steps: dict[str, Callable[[], object]] = {
            "request": lambda: client.get(f"{API}/protected/profile", str(tokens["access_token"])),
            "refresh": refresh,
            # Last, since so many log-ins end the session of the steps above.
            "login": lambda: client.post(f"{API}/auth/login", account),
        }
        taken = {
            name: _processor_seconds(step, process.pid, seconds) for name, step in steps.items()
        }
    return Costs(
        hash=hash_seconds,
        login=max(0.0, taken["login"] - cheap_hash_seconds),
        refresh=taken["refresh"],
        request=taken["request"],
    )


def _connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=10)


class _Client:
    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def post(self, path: str, body: dict[str, str]) -> dict[str, str]:
        self._connection.request("POST", path, json.dumps(body), JSON_BODY)
        return self._read()

    def get(self, path: str, token: str) -> dict[str, str]:
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return self._read()

    def _read(self) -> dict[str, str]:
        response = self._connection.getresponse()
        body: dict[str, str] = json.loads(response.read())
        if response.status >= http.client.BAD_REQUEST:  # pragma: no cover - the service is right
            raise ConfigurationError(f"the measured service answered {response.status}")
        return body


@contextmanager
def _service() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"}
    } | {
        "ENVIRONMENT": "testing",
        "DATABASE_URL": "memory:",
        "BCRYPT_ROUNDS": str(CHEAP_ROUNDS),
        "RATE_LIMIT_ENABLED": "false",
        "JWT_SECRET_KEY": secrets.token_urlsafe(32),
        "PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "falcon_auth", "serve"],
        env=environment,
        cwd="/",  # No .env of anybody is read.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(process, port)
        yield process, port
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:  # pragma: no branch - it starts
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ConfigurationError(  # pragma: no cover - other tests start the service, too
        "the service that was to be measured did not start"
    )


def _processor_seconds(step: Callable[[], object], process_id: int, seconds: float) -> float:
    for _ in range(20):  # Caches fill first.
        step()
    started, ends_at, count = _time_of(process_id), time.monotonic() + seconds, 0
    while time.monotonic() < ends_at:
        step()
        count += 1
    return (_time_of(process_id) - started) / max(1, count)


def _time_of(process_id: int) -> float:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    except OSError as error:  # pragma: no cover - not on Linux
        raise ConfigurationError("this system does not tell what a process costs") from error
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
