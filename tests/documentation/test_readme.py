"""The README is executed; the tables of settings, endpoints and commands match the code."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest
from conftest import EMAIL, Client, outcome, settings_for
from processes import UNMEASURED

from falcon_auth.api.routes import ALIASES
from falcon_auth.settings import Settings
from falcon_auth.stores.memory.store import MemoryStore

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def rows_of(text):
    """The rows of the only table in a text, as lists of cells."""
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows]


def test_the_first_session_works_as_written(start_service, tmp_path):
    service = start_service()
    (script,) = [block for block in blocks("sh") if "auth/register" in block]
    script = script.replace("http://127.0.0.1:8000", service.url)
    python = f"{shlex.quote(sys.executable)} "

    ran = subprocess.run(
        ["bash", "-euc", script.replace("python3 ", python)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "User registered" in ran.stdout
    assert "This is protected data" in ran.stdout
    assert "204 No Content" in ran.stdout
    assert "TOKEN_REVOKED" in ran.stdout.splitlines()[-1]


def test_the_example_guards_an_applications_own_resource():
    (example,) = [block for block in blocks("python") if "class Notes" in block]
    example = example.replace("create_app(Settings())", "create_app(SETTINGS, store=STORE)")
    names = {"SETTINGS": settings_for(), "STORE": MemoryStore()}
    exec(example, names)  # noqa: S102 - the README's own text
    client = Client(names["application"])
    user = client.register()

    assert outcome(client.simulate_get("/api/v1/notes")) == (401, "MISSING_TOKEN")
    assert client.as_user("GET", "/api/v1/notes", user).json == {"notes_of": EMAIL}
    assert client.simulate_get("/imprint").json == {"by": "Example Ltd"}
    names["application"].service.close()


def test_the_examples_pass_mypy_strict_without_a_plugin(tmp_path):
    """As in a project that has the package, and neither our configuration nor pydantic's plugin."""
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\n")
    for number, text in enumerate(blocks("python")):
        # A test's own names are fixtures: nobody types those.
        if "def test_" not in text:
            (tmp_path / f"example_{number}.py").write_text(text)
    orders = (ROOT / "examples" / "orders.py").read_text()
    (tmp_path / "orders.py").write_text(orders)
    files = sorted(path.name for path in tmp_path.glob("*.py"))
    assert len(files) == 2

    ran = subprocess.run(
        [sys.executable, "-m", "mypy", *files],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(ROOT)} | UNMEASURED,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


# Cells that describe a default instead of giving it; the code has None there.
DESCRIBED = {"HASH_WORKERS", "CORS_ORIGINS", "LOG_FORMAT", "PAGES"}


def test_the_table_of_settings_is_the_settings():
    stated = {}
    for names, defaults, _ in rows_of((ROOT / "docs" / "settings.md").read_text()):
        each = names.split(", ")
        stated |= zip_longest(each, defaults.split(", ", len(each) - 1), fillvalue="")

    assert set(stated) == {name.upper() for name in Settings.model_fields}
    for name, default in stated.items():
        coded = Settings.model_fields[name.lower()].default
        if name in DESCRIBED or default == "":
            assert coded in (None, ()), name
        else:
            assert str(coded).lower() == default.lower(), name


def test_the_table_of_endpoints_is_what_is_served(mailing, some_providers):
    client = mailing(
        pages=True, jwt_issuer="https://auth.example.com", providers_file=some_providers
    )
    listed = {
        tuple(row[0].split()): row[1]
        for row in rows_of((ROOT / "docs" / "endpoints.md").read_text())
    }
    served = {
        (method, template)
        for template, methods in client.app.methods.items()
        for method in methods - {"OPTIONS"}
        if template not in ALIASES
    }

    assert set(listed) == served
    for (method, template), guard in listed.items():
        path = re.sub(r"\{\w+\}", "x", template.replace("{path:path}", "x/y"))
        answer = client.simulate_request(method, path)
        assert (outcome(answer) == (401, "MISSING_TOKEN")) == (guard == "bearer"), path


def test_the_table_of_commands_is_what_the_program_has():
    from falcon_auth.__main__ import cli

    commands = README.split("\n## Commands\n")[1].split("\n## ")[0]
    assert sorted(row[0] for row in rows_of(commands)) == cli.list_commands(None)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(name):
    assert (ROOT / name).exists()


def test_the_command_for_a_key_makes_one_once(tmp_path):
    """With an environment that is set up already; tests/deployment/test_wheel.py does that too."""
    (block,) = [block for block in blocks("sh") if "make secret" in block]
    command = block.splitlines()[0]
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / "run.stamp").touch()

    def run_command():
        return subprocess.run(
            ["bash", "-euc", command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

    run_command()
    written = (tmp_path / ".env").read_text()
    again = run_command()

    loaded = Settings(_env_file=tmp_path / ".env", environment="production", database_url="memory:")
    assert len(loaded.jwt_secret_key.get_secret_value()) >= 32
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0  # Nobody else reads it.
    assert (tmp_path / ".env").read_text() == written
    assert "already" in again.stderr
