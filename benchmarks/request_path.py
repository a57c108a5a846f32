"""`python -m benchmarks.request_path`: which modules and functions a request passes.

Sends a registration, a log-in, a refresh and a guarded request to a service in memory. For each it
counts the distinct modules and functions of `falcon_auth` that are called, and how often a call is
in another module than the one before it. It also counts the lines of code in each room, and
measures the time from the start of Python to the first answer. `--calls` prints the calls too.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import threading
import time
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import click
from falcon.testing import TestClient

import falcon_auth

PACKAGE = Path(falcon_auth.__file__).parent
STARTS = 7  # The median of so many is reported.
BODY = {"email": "ada@example.com", "password": "correct horse battery"}
NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
FIRST_ANSWER = """
from falcon.testing import TestClient
from app import application
assert TestClient(application).simulate_get("/health").status_code == 200
"""

Call = tuple[str, str]  # Module and qualified name of the function.


@contextmanager
def recorded_calls() -> Iterator[list[Call]]:
    """Record the calls of functions of `falcon_auth` on this thread and on threads begun meanwhile.

    The list grows in the order of the calls. Coverage and debuggers use another hook
    (`sys.settrace`), which stays as it is.
    """
    calls: list[Call] = []

    def hook(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(PACKAGE)):
            module = Path(code.co_filename).relative_to(PACKAGE.parent).as_posix()
            calls.append((module, code.co_qualname))

    threading.setprofile(hook)
    sys.setprofile(hook)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]  # It is how the hook is taken off.


def requests_of(client: TestClient) -> dict[str, Callable[[], Any]]:
    """Return the requests to record, in the order in which they have to be sent."""
    kept: dict[str, str] = {}

    def log_in() -> Any:
        answer = client.simulate_post("/api/v1/auth/login", json=BODY)
        kept.update(answer.json)
        return answer

    return {
        "registration": lambda: client.simulate_post("/api/v1/auth/register", json=BODY),
        "log-in": log_in,
        "refresh": lambda: client.simulate_post(
            "/api/v1/auth/refresh", json={"refresh_token": kept["refresh_token"]}
        ),
        "guarded request": lambda: client.simulate_get(
            "/api/v1/protected/profile",
            headers={"Authorization": f"Bearer {kept['access_token']}"},
        ),
    }


def changes_of_module(calls: list[Call]) -> int:
    """Return how often a call is in another module than the call before it."""
    modules = [module for module, _ in calls]
    return sum(one != other for one, other in pairwise(modules))


def lines_of_code(path: Path) -> int:
    """Return how many lines of a file hold code; docstrings, comments and blank lines do not."""
    lines: set[int] = set()
    source = path.read_text(encoding="utf-8")
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        alone = previous in NOT_CODE and token.type == tokenize.STRING
        if token.type not in NOT_CODE and not alone:
            lines.update(range(token.start[0], token.end[0] + 1))
        previous = token.type
    return len(lines)


def seconds_to_first_answer() -> float:
    """Return the median time from the start of Python to the first answer, on the memory store."""
    times = []
    with tempfile.TemporaryFile() as log:
        for _ in range(STARTS):
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", FIRST_ANSWER], check=True, stdout=log, stderr=log)
            times.append(time.perf_counter() - begun)
    return sorted(times)[STARTS // 2]


@click.command()
@click.option("--calls", "with_calls", is_flag=True, help="Print the calls, too.")
def main(*, with_calls: bool) -> None:
    """Count what a request passes; run it at the root of a checkout."""
    os.environ.update(BCRYPT_ROUNDS="4", LOG_LEVEL="ERROR")
    # Imported here: it builds the service from the environment.
    from app import application  # noqa: PLC0415

    warm, measured = TestClient(application), TestClient(application)
    warm_body = {**BODY, "email": "warm@example.com"}
    warm.simulate_post("/api/v1/auth/register", json=warm_body)
    warm.simulate_post("/api/v1/auth/login", json=warm_body)
    warm.simulate_post("/api/v1/auth/refresh", json={"refresh_token": "x"})
    for name, send in requests_of(measured).items():
        with recorded_calls() as calls:
            answer = send()
        if answer.status_code >= 400:
            raise SystemExit(f"{name}: {answer.text}")
        click.echo(
            f"{name}: {len({module for module, _ in calls})} modules, {len(set(calls))} functions,"
            f" {len(calls)} calls, {changes_of_module(calls)} changes of module"
        )
        if with_calls:
            click.echo("\n".join(f"    {module} {function}" for module, function in calls))
    rooms = Counter[str]()
    for path in PACKAGE.rglob("*.py"):
        rooms[path.relative_to(PACKAGE).parts[0]] += lines_of_code(path)
    click.echo("lines of code:")
    click.echo("\n".join(f"    {room} {lines}" for room, lines in sorted(rooms.items())))
    click.echo(f"    in all {sum(rooms.values())}")
    click.echo(f"first answer after {seconds_to_first_answer():.2f} s")


if __name__ == "__main__":
    main()
