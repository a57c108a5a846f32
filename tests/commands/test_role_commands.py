"""`roles`, `users grant` and `users revoke`, on SQLite."""

import json

import pytest
from click.testing import CliRunner
from databases import database_for
from processes import SECRET_KEY
from store_records import new_user

from falcon_auth.__main__ import cli
from falcon_auth.models import Role
from falcon_auth.stores.sql.database import open_engine
from falcon_auth.stores.sql.store import SqlStore

GIVEN = {
    "ENVIRONMENT": "testing",
    "BCRYPT_ROUNDS": "4",
    "JWT_SECRET_KEY": SECRET_KEY,
    "SCOPES": "notes:read,notes:write",
}
EMAIL = "ada@example.com"


@pytest.fixture
def run(tmp_path, sqlite_url, monkeypatch):
    """Run a command on the test's database; return its exit code and output."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        given = GIVEN | {"DATABASE_URL": sqlite_url}
        ran = CliRunner().invoke(cli, arguments, env=given, catch_exceptions=False)
        return ran.exit_code, ran.output

    return run


@pytest.fixture
def store(sqlite_url):
    """The store that the commands work on, with one user."""
    database = database_for(open_engine(sqlite_url, pool_size=2))
    store = SqlStore(database)
    store.users.add(new_user("ada"))
    yield store
    database.close()


def test_roles_are_defined_listed_and_deleted(run, store):
    assert run("roles", "set", "editor", "notes:write", "notes:read") == (
        0,
        "editor\tnotes:read notes:write\n",
    )
    role = {"name": "editor", "scopes": []}
    assert json.loads(run("roles", "set", "editor", "--json")[1]) == role
    assert run("roles", "list") == (0, "admin\tadmin\neditor\t\n")
    assert json.loads(run("roles", "list", "--json")[1])[1] == role
    assert run("roles", "delete", "editor") == (0, "editor is deleted.\n")
    assert store.roles.list() == [Role("admin", ("admin",))]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("roles", "set", "editor", "notes:wriet"), "Is not a declared scope"),
        (("roles", "set", "Editor"), "A role's name begins with a letter"),
        (("roles", "set", "admin", "notes:read"), "The role admin is built in."),
        (("roles", "delete", "admin"), "The role admin is built in."),
        (("roles", "delete", "editor"), "No role has this name."),
        (("users", "grant", EMAIL, "editor"), "No role has this name."),
        (("users", "grant", "nobody@example.com", "admin"), "No user has this e-mail address."),
        (("users", "revoke", "nobody@example.com", "admin"), "No user has this e-mail address."),
    ],
)
def test_a_refusal_is_a_line(run, store, arguments, message):
    code, output = run(*arguments)

    assert code == 1
    assert message in output
    assert store.users.find_by_email(EMAIL).roles == ()


def test_a_command_makes_the_first_administrator_and_keeps_the_last(run, store):
    assert run("users", "grant", EMAIL, "admin") == (0, f"{EMAIL} has the role admin.\n")
    assert run("users", "grant", EMAIL, "admin") == (0, f"{EMAIL} has the role admin already.\n")
    assert store.users.find_by_email(EMAIL).scopes == {"admin"}

    for arguments in (("revoke", EMAIL, "admin"), ("disable", EMAIL), ("delete", EMAIL, "--yes")):
        code, output = run("users", *arguments)
        assert (code, "Nobody else is an administrator" in output) == (1, True), output
    assert store.users.find_by_email(EMAIL).is_active


def test_grants_and_revocations_are_shown_and_audited(run, store):
    run("roles", "set", "editor", "notes:read")
    user = store.users.find_by_email(EMAIL)
    shown = {"id": user.id, "email": EMAIL, "roles": ["editor"]}

    assert json.loads(run("users", "grant", EMAIL, "editor", "--json")[1]) == shown
    assert json.loads(run("users", "revoke", EMAIL, "editor", "--json")[1])["roles"] == []
    assert run("users", "revoke", EMAIL, "editor")[1] == f"{EMAIL} has not the role editor.\n"

    events = [
        (each.event, each.actor, each.subject, dict(each.details))
        for each in store.audit.list_newest(limit=2)
    ]
    assert events == [
        ("role.revoked", "command", user.id, {"role": "editor"}),
        ("role.granted", "command", user.id, {"role": "editor"}),
    ]
    assert run("users", "revoke", EMAIL, "admin") == (0, f"{EMAIL} has not the role admin.\n")
