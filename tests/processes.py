"""The service as a process of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import http.client
import json as json_text
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from falcon_auth.testing.response_check import ResponseCheck

ROOT = Path(__file__).parent.parent
PATIENCE = 30.0  # Seconds until something that never comes counts as missing.
LONGEST_RUN = 60.0  # Seconds for a program that ends by itself.
POLL_SECONDS = 0.02
SECRET_KEY = "a-key-of-the-tests-that-is-long-enough"
EMAIL = "ada@example.com"
PASSWORD = "correct horse battery"

# Cheap hashes, a known key, a log to parse; each test says what it wants otherwise.
CONTRACT = ResponseCheck()
_KEPT: list[socket.socket] = []  # See `free_port`.
# For a process whose coverage other tests give, or that is killed before it could write it: a
# start costs a quarter less.
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}
DEFAULTS = {"ENVIRONMENT": "testing", "BCRYPT_ROUNDS": "4", "JWT_SECRET_KEY": SECRET_KEY}


class Answer(NamedTuple):
    """A response; `json` is None where there is no body."""

    status: int
    headers: http.client.HTTPMessage
    json: Any


def clean_environment(**more: str) -> dict[str, str]:
    """Return an environment with none of the developer's settings in it, and *more*."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG"} or name.startswith("COVERAGE")
    }
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | more


def run_python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in *cwd* until it ends; without any settings but those given."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN,
        check=False,
    )


def free_port() -> int:
    """Return a port that nobody listens on, and that nobody else is given until the tests end.

    A socket that is bound and does not listen keeps it: connections are refused, a server that
    sets SO_REUSEADDR, as all do, can listen there, and the system gives it to nobody.
    """
    keeping = socket.socket()
    keeping.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeping.bind(("127.0.0.1", 0))
    _KEPT.append(keeping)
    return keeping.getsockname()[1]


def eventually(condition: Callable[[], object], patience: float = PATIENCE) -> bool:
    """Ask until *condition* is true; return whether it ever was."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(POLL_SECONDS)
    return bool(condition())


@dataclass
class ServiceProcess:
    """A service that was started; `stop` it, or the fixture does."""

    process: subprocess.Popen[bytes]
    port: int
    log_file: Path
    ours: bool = True  # Whether its answers are held to the contract.

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it wrote so far, standard error too."""
        return self.log_file.read_text(encoding="utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log's lines, each of which has to be a JSON object. A torn last line is left out."""
        return [
            json_text.loads(line) for line in self.log.splitlines(keepends=True) if "\n" in line
        ]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of this name that stand in the log now. The log is written a moment later."""
        return [line for line in self.lines if line["event"] == name]

    def awaited(self, name: str) -> list[dict[str, Any]]:
        """The events of this name, of which one has to come."""
        assert eventually(lambda: self.events(name)), f"no {name!r} in the log:\n{self.log}"
        return self.events(name)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def request(
        self, method: str, path: str, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own; the answer is held to the contract."""
        sent = dict(headers or {})
        body = None
        if json is not None:
            body = json_text.dumps(json).encode()
            sent.setdefault("Content-Type", "application/json")
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            content = response.read()
        given = dict(response.headers)
        if "gunicorn" in given.get("Server", ""):
            del given["Server"]  # It signs its answers, and cannot be told not to.
        if self.ours:
            CONTRACT.check_parts(method, path, response.status, given, content)
        return Answer(response.status, response.headers, parse(content))

    def register(self, email: str = EMAIL, password: str = PASSWORD) -> Answer:
        body = {"email": email, "password": password}
        return self.request("POST", "/api/v1/auth/register", body)

    def login(self, email: str = EMAIL, password: str = PASSWORD) -> Answer:
        return self.request("POST", "/api/v1/auth/login", {"email": email, "password": password})

    def is_ready(self) -> bool:
        """Whether it answers; raises where the process ended instead."""
        if (code := self.process.poll()) is not None:
            message = f"the service ended with code {code}:\n{self.log}"
            raise AssertionError(message)
        try:
            return self.request("GET", "/health/ready").status == 200
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def read_answer(connection: http.client.HTTPConnection) -> Answer:
    """Read the response to what was sent on *connection*."""
    response = connection.getresponse()
    return Answer(response.status, response.headers, parse(response.read()))


def parse(content: bytes) -> Any:
    return json_text.loads(content) if content else None


@contextlib.contextmanager
def service_starter(base: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Start services in folders under *base*; they end with the block.

    Keyword arguments are environment variables (`DEFAULTS` are set beside them; None leaves one
    out). *command* is what follows `python -W error`; `{port}` in it is replaced. They run in an
    empty folder, so that no `.env` of a developer is read. One that is not *ours* has a contract
    of its own.
    """
    started: list[ServiceProcess] = []

    def start(
        *,
        command: tuple[str, ...] = (str(ROOT / "app.py"),),
        ours: bool = True,
        **environment: str | None,
    ) -> ServiceProcess:
        port = free_port()
        folder = base / f"service-{len(started)}"
        folder.mkdir()
        log_file = folder / "log"
        wanted = DEFAULTS | {"PORT": str(port)} | environment
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "error", *(each.format(port=port) for each in command)],
                cwd=folder,
                env=clean_environment(
                    **{name: value for name, value in wanted.items() if value is not None}
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        service = ServiceProcess(process, port, log_file, ours)
        started.append(service)
        if not eventually(service.is_ready):
            message = f"the service was not ready in time:\n{service.log}"
            raise AssertionError(message)
        return service

    yield start
    for service in started:
        with contextlib.suppress(ProcessLookupError):
            service.stop(signal.SIGKILL)


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Start services (see `service_starter`); each is ready when the call returns."""
    with service_starter(tmp_path) as start:
        yield start


def in_child(check):
    """Run *check* in a fork of this process; return what it raised as text, empty where nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            check()
            said = b""
        except BaseException as error:  # noqa: BLE001 - told to the parent
            said = repr(error).encode() or b"?"
        os.write(writer, said)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said
