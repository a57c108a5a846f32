"""Third parties' tools: installed once, each in a folder of its own, from pinned lists.

Where they cannot be installed, the tests that need them are skipped, saying so; where the
environment says CI=true they fail instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "interop"
PATIENCE = 300  # Seconds for an installation; a tool takes a few.
MIN_NODE = (20, 19)  # What the generators ask for.


def skip(reason: str) -> None:
    """Skip the test, or fail where nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program until it ends, whatever its exit code."""
    quiet = {"NO_UPDATE_NOTIFIER": "1", "REDOCLY_TELEMETRY": "off", "NO_COLOR": "1"}
    return subprocess.run(
        list(map(str, arguments)),
        cwd=cwd,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def _needs_installing(folder: Path, wanted: Path) -> Iterator[bool]:
    """Say whether *folder* lacks what *wanted* lists, while no other process installs it.

    A block that ends without an exception has installed it.
    """
    stamp = folder / "installed-from.sha256"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    folder.mkdir(exist_ok=True)
    with (FOLDER / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lacking = not stamp.exists() or stamp.read_text() != digest
        yield lacking
        if lacking:
            stamp.write_text(digest)


def install(*arguments: str | Path) -> None:
    """Run an installer; where it fails, skip."""
    ran = run(*arguments, cwd=FOLDER)
    if ran.returncode != 0:
        last = ran.stderr.strip().splitlines()[-1:]
        skip(f"{Path(arguments[0]).name} could not install what this needs: {' '.join(last)}")


@pytest.fixture(scope="session")
def node_tools() -> Path:
    """Return the folder of npm's programs, those of package-lock.json."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        skip("node and npm are not installed: no generated client was tried")
    version = run(node, "--version", cwd=FOLDER).stdout.strip().removeprefix("v")
    if tuple(map(int, version.split(".")[:2])) < MIN_NODE:
        skip(f"node {version} is too old for the generators of clients")
    folder = FOLDER / "node_modules"
    with _needs_installing(folder, FOLDER / "package-lock.json") as lacking:
        if lacking:
            install(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return folder / ".bin"


@pytest.fixture(scope="session")
def generator_python() -> Path:
    """Return the folder of programs of a virtual environment with openapi-python-client."""
    return _environment(".venv", FOLDER / "requirements.txt")


@pytest.fixture(scope="session")
def verifier_python() -> Path:
    """Return the folder of programs of a virtual environment with verifiers of tokens."""
    return _environment(".venv-verifiers", FOLDER / "verifiers" / "requirements.txt")


def _environment(name: str, wanted: Path) -> Path:
    folder = FOLDER / name
    with _needs_installing(folder, wanted) as lacking:
        if lacking:
            install(sys.executable, "-m", "venv", "--clear", folder)
            pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet")
            install(*pip, "--disable-pip-version-check", "-r", wanted)
    return folder / "bin"


@pytest.fixture
def document_file(tmp_path: Path) -> Path:
    """Return a file that holds the OpenAPI document, as the command prints it."""
    ran = run(sys.executable, "-m", "falcon_auth", "openapi", cwd=tmp_path)
    file = tmp_path / "openapi.json"
    file.write_text(ran.stdout)
    return file
