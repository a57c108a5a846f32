"""The README is executed: its first session, its example, its tables."""

import os
import re
import shlex
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest
from conftest import EMAIL, Client, outcome, settings_for

from falcon_auth.api.routes import ALIASES
from falcon_auth.settings import Settings
from falcon_auth.stores.memory import MemoryStore

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def table(heading):
    """The rows of the first table after a heading, as lists of cells."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
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


# Cells that describe a default instead of giving it; the code has None there.
DESCRIBED = {"HASH_WORKERS", "CORS_ORIGINS", "LOG_FORMAT"}


def test_the_table_of_settings_is_the_settings():
    stated = {}
    for names, defaults, _ in table("Configure it"):
        each = names.split(", ")
        stated |= zip_longest(each, defaults.split(", ", len(each) - 1), fillvalue="")

    assert set(stated) == {name.upper() for name in Settings.model_fields}
    for name, default in stated.items():
        coded = Settings.model_fields[name.lower()].default
        if name in DESCRIBED or default == "":
            assert coded in (None, ()), name
        else:
            assert str(coded).lower() == default.lower(), name


def test_the_table_of_endpoints_is_what_is_served(client):
    listed = {tuple(row[0].split()): row[1] for row in table("The endpoints")}
    served = {
        (method, template)
        for template, methods in client.app.methods.items()
        for method in methods - {"OPTIONS"}
        if template not in ALIASES
    }

    assert set(listed) == served
    for (method, template), guard in listed.items():
        path = template.replace("{session_id}", "x")
        answer = client.simulate_request(method, path)
        assert (outcome(answer) == (401, "MISSING_TOKEN")) == (guard == "bearer"), path


def test_the_table_of_commands_is_what_the_program_has():
    from falcon_auth.__main__ import cli

    assert sorted(row[0] for row in table("Commands")) == sorted(cli.commands)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(name):
    assert (ROOT / name).exists()


def test_the_key_recipe_makes_a_key(tmp_path):
    (recipe,) = [block for block in blocks("sh") if "falcon_auth secret" in block]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    subprocess.run(
        ["bash", "-euc", recipe.replace("python ", f"{shlex.quote(sys.executable)} ")],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=60,
    )

    loaded = Settings(_env_file=tmp_path / ".env", environment="production")
    assert len(loaded.jwt_secret_key.get_secret_value()) >= 32
