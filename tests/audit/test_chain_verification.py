"""`audit verify`: what it prints, and how it exits."""

import sqlite3

import pytest
from click.testing import CliRunner
from conftest import EMAIL, PASSWORD, SECRET_KEY, settings_for

from falcon_auth.__main__ import cli
from falcon_auth.models import Client
from falcon_auth.service import create_app
from falcon_auth.stores.memory.store import MemoryStore


@pytest.fixture
def run(tmp_path, sqlite_url, monkeypatch):
    """Run `audit verify` on the test's database."""
    monkeypatch.chdir(tmp_path)
    given = {
        "ENVIRONMENT": "testing",
        "JWT_SECRET_KEY": SECRET_KEY,
        "BCRYPT_ROUNDS": "4",
        "DATABASE_URL": sqlite_url,
    }

    def run(*arguments, **more):
        command = ["audit", "verify", *arguments]
        ran = CliRunner().invoke(cli, command, env=given | more, catch_exceptions=False)
        return ran.exit_code, ran.output

    return run


def register(sqlite_url, email=EMAIL, *, audit_chain=True):
    app = create_app(settings_for(database_url=sqlite_url, audit_chain=audit_chain))
    values = {"email": email, "password": PASSWORD, "username": None, "client": Client()}
    app.service.registration.register(**values)
    app.service.close()


def tamper(tmp_path, statement):
    with sqlite3.connect(tmp_path / "auth.db") as connection:
        connection.execute(statement)
    connection.close()


def test_the_setting_chains_and_the_command_verifies(run, sqlite_url):
    register(sqlite_url)

    code, output = run()

    assert code == 0
    begins, end = output.splitlines()
    assert begins.startswith("Begins at 20")
    assert begins.endswith("; 1 events, of which 0 have no client since their user was deleted.")
    assert end.startswith("The end: position 1, digest ")


def test_the_command_names_what_was_changed_and_exits_with_1(run, sqlite_url, tmp_path):
    register(sqlite_url)
    tamper(tmp_path, "UPDATE audit_events SET event = 'user.enabled', at = 'never'")

    code, output = run()

    assert code == 1
    assert "at position 1 was changed, or moved from its place\nBegins at - with" in output
    assert output.endswith("Error: Found: 1.\n")


def test_a_time_without_the_chain_can_be_accepted(run, sqlite_url):
    register(sqlite_url)
    register(sqlite_url, "bob@example.com", audit_chain=False)

    assert run()[0] == 1
    assert run("--since", "2999-01-01T00:00:00Z")[0] == 0
    assert run("--since", "yesterday") == (1, "Error: Must be a time of RFC 3339, with its zone.\n")


def test_where_retention_has_deleted_all_the_end_is_told(run, sqlite_url, tmp_path):
    register(sqlite_url)
    tamper(tmp_path, "DELETE FROM audit_events")
    tamper(tmp_path, "UPDATE audit_head SET swept_to = 1")

    code, output = run()

    assert (code, output.startswith("None of its events is kept; 0 events")) == (0, True)


def test_no_chain_does_not_verify(run, sqlite_url, tmp_path):
    register(sqlite_url, audit_chain=False)
    says = "Error: There is no chain: set AUDIT_CHAIN=true and DATABASE_URL.\n"

    assert run() == (1, says)
    snapshot = tmp_path / "users.json"
    create_app(settings_for(snapshot_file=snapshot), store=MemoryStore()).service.close()
    assert run(DATABASE_URL="", SNAPSHOT_FILE=str(snapshot)) == (1, says)
