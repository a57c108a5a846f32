"""The wheel in fresh environments: what each extra brings, and that the README's commands work."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from processes import ROOT, ServiceProcess, clean_environment, eventually, free_port
from third_parties import install, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # They install from an index.

README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = (
    *("falcon_auth", "schemas", "deploy", "app.py", "Makefile"),
    *("pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE"),
)
SERVER = {"waitress", "bcrypt", "pydantic", "jsonschema", "click"}
DATABASES = {"sqlalchemy", "alembic", "psycopg", "psycopg-binary", "redis"}
VENV_S_OWN = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
MIB = 1024 * 1024
TOLERANCE = 0.15  # Of a size: libraries grow.
GUARDED = """
import io
from falcon_auth.verifier import GuardedApp, Verifier
app = GuardedApp(Verifier.from_jwks("https://auth.example.com/.well-known/jwks.json",
                                    issuer="https://auth.example.com", audience="orders"))
app.add_route("/", type("Orders", (), {"on_get": lambda self, req, resp: None})())
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "x",
           "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
           "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
app(environ, lambda status, headers: print(status))
"""


def copy_checkout(folder: Path) -> Path:
    """Copy what is needed to install the project, so that nothing is built in the real one."""
    folder.mkdir()
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=leave)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("wheel")
    source = copy_checkout(base / "source")
    built = run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-build-isolation", "--wheel-dir", base, source),
        cwd=base,
    )
    assert built.returncode == 0, built.stderr
    (file,) = base.glob("*.whl")
    return file


def test_the_wheel_has_every_file_that_is_read_at_run_time(wheel):
    data = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "falcon_auth").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }

    assert data <= set(ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel with an extra into an environment without pip; return its folder."""

    @cache
    def into_a_fresh_one(extra: str) -> Path:
        folder = tmp_path_factory.mktemp(extra) / ".venv"
        install(sys.executable, "-m", "venv", "--without-pip", folder)
        install(
            *(sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install"),
            *("--quiet", "--disable-pip-version-check", f"{wheel}[{extra}]"),
        )
        return folder

    return into_a_fresh_one


def packages_of(folder: Path) -> Path:
    return next((folder / "lib").glob("python*")) / "site-packages"


def names_in(folder: Path) -> set[str]:
    found = packages_of(folder).glob("*.dist-info")
    return {Distribution.at(each).metadata["Name"].lower().replace("_", "-") for each in found}


def size_of(folder: Path) -> float:
    """Return the MiB of all files that pip has put there, without those of the venv itself."""
    packages = packages_of(folder)
    files = (file.relative_to(packages) for file in packages.rglob("*") if file.is_file())
    installed = (file for file in files if not file.parts[0].startswith(VENV_S_OWN))
    return sum((packages / file).stat().st_size for file in installed) / MIB


def stated_size(extra: str) -> float:
    return float(re.search(rf"^\| {extra} \|.*\| (\d+) MiB \|$", README, re.MULTILINE)[1])


def run_in(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment, without the checkout on its path."""
    return subprocess.run(
        [str(folder / "bin" / program), *arguments],
        cwd=folder,
        env=clean_environment(PYTHONPATH=""),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_verifier_guards_without_server_database_or_hashing(installed):
    folder = installed("verifier")

    assert not names_in(folder) & (SERVER | DATABASES)
    guarded = run_in(folder, "python", "-c", GUARDED)
    assert guarded.stdout.endswith("\n401 Unauthorized\n"), guarded.stderr
    assert size_of(folder) == pytest.approx(stated_size("verifier"), rel=TOLERANCE)


def test_a_command_without_its_extra_says_which_one_it_needs(installed):
    ran = run_in(installed("verifier"), "falcon-auth", "serve")

    assert ran.returncode == 1
    assert ran.stderr == (
        "click is not installed: the commands come with falcon-auth-service[server]\n"
    )


def test_the_testing_kit_needs_no_database(installed, tmp_path):
    folder = installed("testing")
    (example,) = re.findall(r"```python\n(def test_stolen.*?)```", README, re.DOTALL)
    (folder / "test_example.py").write_text(example)

    assert not names_in(folder) & DATABASES
    tested = run_in(folder, "python", "-m", "pytest", "-q", "test_example.py")
    assert "1 passed" in tested.stdout, tested.stdout + tested.stderr
    assert size_of(folder) == pytest.approx(stated_size("testing"), rel=TOLERANCE)


def test_the_commands_for_pip_work_as_written(tmp_path):
    """Installed, with a key, served by waitress and by gunicorn; a database lacks its driver."""
    checkout = copy_checkout(tmp_path / "checkout")
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    (by_pip,) = [block for block in blocks if "falcon-auth serve" in block]
    (by_gunicorn,) = [block for block in blocks if "bin/gunicorn" in block]
    preparing, _, _ = by_pip.rpartition(".venv/bin/falcon-auth serve")

    install("bash", "-euc", f"cd {checkout}\n{preparing}")  # So that a failure of pip skips.
    assert size_of(checkout / ".venv") == pytest.approx(stated_size("server"), rel=TOLERANCE)
    for script in (by_pip, by_gunicorn):
        assert serves(script, checkout)

    assert len((checkout / ".env").read_text().splitlines()) == 2  # Once by each run.
    assert not names_in(checkout / ".venv") & {"psycopg", "redis"}
    without_driver = subprocess.run(
        [checkout / ".venv" / "bin" / "falcon-auth", "serve"],
        cwd=checkout,
        env=clean_environment(PYTHONPATH="", DATABASE_URL="postgresql://127.0.0.1:1/x"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert without_driver.returncode == 2
    assert "psycopg is not installed: it comes with falcon-auth-service[postgresql]" in (
        without_driver.stderr
    )


def serves(script: str, folder: Path) -> bool:
    """Run a script whose last command serves, until it answers a registration."""
    port, log_file = free_port(), folder / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-euc", script],
            cwd=folder,
            env=clean_environment(PYTHONPATH="", PORT=str(port)),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = ServiceProcess(process, port, log_file)
    try:
        return eventually(service.is_ready, patience=240) and service.register().status == 201
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
