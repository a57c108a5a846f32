"""`examples/notes`: who may do what, in process; and its README, once, as it is written."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from commanding import run_command
from conftest import EMAIL, outcome
from processes import LONGEST_RUN, ROOT

from falcon_auth.testing.service import TestService

EXAMPLE = ROOT / "examples" / "notes"
sys.path.append(str(EXAMPLE))  # As if it were run: its modules import each other.
from note_store import NoteStore  # noqa: E402
from notes import add_notes  # noqa: E402

SCOPES = ("notes:read", "notes:write")
ROLES = {"nobody": (), "reader": SCOPES[:1], "author": SCOPES, "admin": ("admin",)}
LACKING = (403, "INSUFFICIENT_SCOPE")


@pytest.fixture
def store(tmp_path):
    return NoteStore(tmp_path / "notes.db")


@pytest.fixture
def service(clock, store):
    with TestService({"scopes": SCOPES, "rate_limit_enabled": False}, clock) as service:
        add_notes(service.app, store)
        yield service


def user_with(service, role, email=EMAIL):
    return service.new_user(email, scopes=ROLES[role])


def send(service, user, method, path, **kwargs):
    return service.client.simulate_request(method, path, headers=user.headers, **kwargs)


def write(service, user, text="Buy milk."):
    return send(service, user, "POST", "/notes", json={"text": text})


@pytest.mark.parametrize(
    ("role", "may_read", "may_write", "may_administer"),
    [
        ("nobody", False, False, False),
        ("reader", True, False, False),
        ("author", True, True, False),
        ("admin", True, True, True),
    ],
)
def test_each_role_may_do_what_its_scopes_say(service, role, may_read, may_write, may_administer):
    user = user_with(service, role)

    answers = {
        may_read: [send(service, user, "GET", "/notes"), send(service, user, "GET", "/notes/x")],
        may_write: [write(service, user), send(service, user, "DELETE", "/notes/x")],
    }
    administered = send(service, user, "GET", f"/users/{user.id}/notes")

    for allowed, given in answers.items():
        assert (LACKING in map(outcome, given)) != allowed, given
    assert (outcome(administered) == LACKING) != may_administer


def test_an_author_writes_lists_and_deletes(service):
    ada = user_with(service, "author")

    first, second = write(service, ada, "Buy milk."), write(service, ada, "Büy höney. \U0001f36f")
    listed = send(service, ada, "GET", "/notes").json["notes"]
    shown = send(service, ada, "GET", second.headers["Location"]).json
    deleted = send(service, ada, "DELETE", f"/notes/{first.json['id']}")

    assert first.status_code == 201
    assert listed == [second.json, first.json]
    assert shown == second.json == {"id": shown["id"], "text": "Büy höney. \U0001f36f"}
    assert deleted.status_code == 204
    assert send(service, ada, "GET", "/notes").json["notes"] == [second.json]


def test_notes_of_others_are_not_there(service):
    ada, eve = user_with(service, "author"), user_with(service, "author", "eve@example.com")
    path = f"/notes/{write(service, ada).json['id']}"

    assert send(service, eve, "GET", "/notes").json == {"notes": []}
    assert outcome(send(service, eve, "GET", path)) == (404, "NOT_FOUND")
    assert outcome(send(service, eve, "DELETE", path)) == (404, "NOT_FOUND")
    assert send(service, ada, "GET", path).status_code == 200


def test_an_administrator_sees_and_deletes_the_notes_of_a_user_after_a_recent_log_in(
    service, clock
):
    ada, boss = user_with(service, "author"), user_with(service, "admin", "boss@example.com")
    note = write(service, ada).json
    path = f"/users/{ada.id}/notes"

    assert send(service, boss, "GET", path).json == {"notes": [note]}
    clock.advance(minutes=11)
    assert outcome(send(service, boss, "DELETE", path)) == (401, "STEP_UP_REQUIRED")
    clock.advance(minutes=-11)
    assert send(service, boss, "DELETE", path).status_code == 204
    assert send(service, ada, "GET", "/notes").json == {"notes": []}


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[]",
        "null",
        '{"text": ""}',
        '{"text": 1}',
        '{"text": "\\ud800"}',
        json.dumps({"text": "\u00e4" * 5001}, ensure_ascii=False),
    ],
)
def test_what_is_not_a_note_is_refused_without_quoting_it(service, body):
    ada = user_with(service, "author")
    headers = {**ada.headers, "Content-Type": "application/json"}

    answer = service.client.simulate_post("/notes", headers=headers, body=body.encode())

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert [each["pointer"] for each in answer.json["errors"]] == ["/text"]
    assert "\u00e4" not in answer.text


def test_scopes_that_were_not_declared_stop_the_start(clock, store):
    with TestService({}, clock) as service, pytest.raises(ValueError, match="notes:read"):
        add_notes(service.app, store)


def test_the_readme_works_as_written(start_service, tmp_path):
    """Its commands (in this process: starting one takes a second), the program, its requests."""
    prepare, use = re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    exported = dict(re.findall(r"\b([A-Z_]+)=([a-z][^ \n]*)", prepare))
    for typed, command in re.findall(
        r"^(?:echo '(.*)' \| )?falcon-auth (.*)$", prepare, re.MULTILINE
    ):
        ran = run_command(
            *shlex.split(command), cwd=tmp_path, stdin=typed, BCRYPT_ROUNDS="4", **exported
        )
        assert ran.returncode == 0, (command, ran.stderr)

    service = start_service(
        command=(str(EXAMPLE / "notes.py"),),
        ours=False,
        SCOPES=exported["SCOPES"],
        DATABASE_URL=f"sqlite:///{tmp_path / 'users.db'}",
        NOTES_FILE=str(tmp_path / "notes.db"),
    )
    said = subprocess.run(
        ["bash", "-euc", use.replace("http://127.0.0.1:8000", service.url)],
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=LONGEST_RUN,
    ).stdout

    assert exported["DATABASE_URL"] == "sqlite:///users.db"
    assert [
        re.search(r"Buy milk|INSUFFICIENT_SCOPE|\[\]", line)[0]
        for line in said.splitlines()
        if line
    ] == ["Buy milk", "Buy milk", "INSUFFICIENT_SCOPE", "[]"]
