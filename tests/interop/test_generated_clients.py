"""Clients that generators make of the OpenAPI document, against the service on a real port."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from live import serving
from third_parties import FOLDER, document_file, generator_python, node_tools, run

__all__ = ["document_file", "generator_python", "node_tools"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # The first one installs the tools.

OUTCOME = {
    "registered": "ada@example.com",
    "registered_again": "DUPLICATE_EMAIL",
    "profile": "ada@example.com",
    "logged_out": "TOKEN_REVOKED",
}


def succeed(*arguments: str | Path, cwd: Path) -> str:
    """Run a program that has to end well, and return what it printed."""
    ran = run(*arguments, cwd=cwd)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return ran.stdout


@pytest.fixture
def project(tmp_path):
    """A folder with the programs that use the clients, each to be generated into it."""
    folder = tmp_path / "project"
    shutil.copytree(FOLDER / "clients", folder)
    (folder / "generated").mkdir()
    return folder


@pytest.fixture
def typescript(project, node_tools, document_file):
    """The programs in TypeScript: generated for, checked strictly, compiled."""
    (project / "node_modules").symlink_to(node_tools.parent)
    types = project / "generated" / "schema.d.ts"
    succeed(node_tools / "openapi-typescript", document_file, "-o", types, cwd=project)
    hey = project / "generated" / "hey"
    succeed(node_tools / "openapi-ts", "-i", document_file, "-o", hey, cwd=project)
    succeed(node_tools / "tsc", "--project", project, cwd=project)
    return project / "out"


def test_typescript_clients_live_a_session_and_refuse_an_unknown_code(make_client, typescript):
    """That `error.code === "TYPO"` does not compile is said in the programs themselves."""
    for program in ("openapi_fetch.js", "hey_api.js"):
        with serving(make_client().app) as port:
            url = f"http://127.0.0.1:{port}"
            printed = succeed("node", typescript / program, url, cwd=typescript)

        assert json.loads(printed) == OUTCOME, program


@pytest.fixture
def python_client(project, generator_python, document_file):
    """The package of the client in Python."""
    package = project / "falcon_auth_client"
    config = project / "generator.json"
    config.write_text(json.dumps({"post_hooks": []}))  # They would look for a formatter.
    said = succeed(
        *(generator_python / "openapi-python-client", "generate", "--path", document_file),
        *("--meta", "none", "--config", config, "--output-path", package),
        cwd=project,
    )
    assert "Warning" not in said, said
    return package


def test_a_python_client_lives_a_session(client, generator_python, python_client):
    program = python_client.with_name("python_client.py")

    with serving(client.app) as port:
        url = f"http://127.0.0.1:{port}"
        printed = succeed(generator_python / "python", program, url, cwd=program.parent)

    assert json.loads(printed) == OUTCOME


def test_classes_of_the_python_client_have_plain_names(python_client):
    """They come from the titles of the schemas."""
    modules = {path.stem for path in (python_client / "models").glob("*.py")}

    assert {"introspection_request", "revocation_request", "problem", "error_code"} <= modules
    assert [name for name in modules if "rfc" in name or "as_a_form" in name] == []
