"""The systems that are measured: how each is started, and how its clients speak to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
PASSWORD = "correct horse battery"
SECRET = "a-key-of-the-benchmarks-that-is-long-enough"
START_SECONDS = 20.0


@dataclass(frozen=True)
class System:
    """One system: `command` with `{port}` in it, and the paths of its clients."""

    name: str
    label: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    profile: str = ""
    register: str = ""
    login: str = ""
    refresh: str | None = None
    form: bool = False  # Whether a log-in is a form, not JSON.

    def login_body(self, email: str) -> str:
        """Return what a client sends to log in."""
        if self.form:
            return urllib.parse.urlencode({"username": email, "password": PASSWORD})
        return json.dumps({"email": email, "password": PASSWORD})

    @property
    def login_type(self) -> str:
        """Return the media type of that."""
        return "application/x-www-form-urlencoded" if self.form else "application/json"


def _uvicorn(peer: str) -> tuple[str, ...]:
    python = str(PEERS / peer / ".venv" / "bin" / "python")
    where = ("--app-dir", str(PEERS / peer), "--host", "127.0.0.1", "--port", "{port}")
    return (python, "-m", "uvicorn", "app:app", *where)


BARE = System(
    "bare",
    "a bare Falcon resource",
    (sys.executable, "-m", "benchmarks.bare", "{port}"),
    profile="/hello",
)
BARE_WAITRESS = System(
    "bare_waitress",
    "a bare Falcon resource, plain waitress",
    (sys.executable, "-m", "benchmarks.bare", "{port}", "--waitress"),
    profile="/hello",
)
OURS = System(
    "falcon_auth",
    "Falcon Auth",
    (sys.executable, "app.py"),
    {"RATE_LIMIT_REGISTRATIONS": "1000000", "LOG_FORMAT": "json"},
    profile="/api/v1/protected/profile",
    register="/api/v1/auth/register",
    login="/api/v1/auth/login",
    refresh="/api/v1/auth/refresh",
)
FASTAPI = System(
    "fastapi",
    "FastAPI + bcrypt",
    _uvicorn("fastapi_app"),
    profile="/api/user/profile",
    register="/register",
    login="/login",
    refresh="/refresh",
)
FASTAPI_USERS = System(
    "fastapi_users",
    "fastapi-users, SQLite",
    _uvicorn("fastapi_users_app"),
    profile="/users/me",
    register="/auth/register",
    login="/auth/jwt/login",
    form=True,
)
PEER_SYSTEMS = (FASTAPI, FASTAPI_USERS)


class Running:
    """A system that runs, and a client of it."""

    def __init__(self, system: System, port: int, process: subprocess.Popen[bytes]) -> None:
        self.system = system
        self.port = port
        self.process = process
        self._psutil = psutil.Process(process.pid)

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu_seconds(self) -> float:
        """Return the processor time that the server has used."""
        times = self._psutil.cpu_times()
        return times.user + times.system

    def post(self, path: str, body: str, media_type: str = "application/json") -> dict[str, Any]:
        """Send a body and return the answer's. Raises `RuntimeError` where it is an error."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", path, body, {"Content-Type": media_type})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{self.system.name}: {path} answered {answer.status}: {text!r}")
        return json.loads(text)

    def sign_up(self, count: int, prefix: str = "user") -> list[str]:
        """Register users; return their addresses."""
        emails = [f"{prefix}{number}@example.com" for number in range(count)]
        for email in emails:
            self.post(self.system.register, json.dumps({"email": email, "password": PASSWORD}))
        return emails

    def log_in(self, email: str) -> dict[str, Any]:
        """Return the tokens of a new session."""
        system = self.system
        return self.post(system.login, system.login_body(email), system.login_type)


@contextlib.contextmanager
def running(system: System, *, bcrypt_rounds: int = 4, **environment: str) -> Iterator[Running]:
    """Run a system, its log in a file, until the block ends."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "BCRYPT_ROUNDS": str(bcrypt_rounds),
            "JWT_SECRET_KEY": SECRET,
            "DATABASE_FILE": f"{folder}/users.db",
            "PORT": str(port),
            "PYTHONPATH": str(ROOT),
        }
        command = [part.format(port=port) for part in system.command]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT if system not in PEER_SYSTEMS else folder,
                env=os.environ | settings | system.environment | environment,
                stdout=log,
                stderr=log,
            )
            try:
                wait_until_up(port, process)
                yield Running(system, port, process)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def wait_until_up(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait for the first answer of /health."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.002)
        finally:
            connection.close()
    raise RuntimeError(f"{process.args!r} did not start; exit code {process.poll()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
