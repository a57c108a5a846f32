"""Reading the trail: by administrators, by users about themselves, and by command."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from conftest import EMAIL, PASSWORD, SECRET_KEY, outcome, settings_for
from life_words import account

from falcon_auth.__main__ import cli
from falcon_auth.commands.audit import PAGE
from falcon_auth.models import Client, Role
from falcon_auth.service import create_app
from falcon_auth.service.audit import EXPORTED

AUDIT, ACTIVITY = "/api/v1/admin/audit", "/api/v1/auth/activity"
WRONG = "wrong horse battery"


@pytest.fixture
def auditor(client):
    """A user who may read the trail, and nothing else."""
    answer = client.register("auditor@example.com")
    store = client.app.service.store
    store.roles.define(Role("auditor", ("audit:read",)))
    store.roles.change(answer.json["user"]["id"], grant=["auditor"], now=0)
    return answer


def read(client, caller, path, **params):
    return client.as_user("GET", path, caller, params=params)


def events_of(answer):
    assert answer.status_code == 200, answer.json
    return [each["event"] for each in answer.json["events"]]


def pages(client, user, path, **params):
    """Every page from the newest on, and what happens in between."""
    after = {}
    while True:
        page = read(client, user, path, **params, **after).json
        yield page["events"]
        if page["next"] is None:
            return
        after = {"after": page["next"]}


def test_an_auditor_reads_everything_and_others_nothing(client, user, auditor):
    client.login(password=WRONG)

    assert events_of(read(client, auditor, AUDIT)) == [
        "login.failed",
        "user.registered",
        "user.registered",
    ]
    assert outcome(read(client, user, AUDIT)) == (403, "INSUFFICIENT_SCOPE")
    assert outcome(client.simulate_get(AUDIT)) == (401, "MISSING_TOKEN")
    assert outcome(client.simulate_get(ACTIVITY)) == (401, "MISSING_TOKEN")


def test_reading_everything_asks_for_a_recent_proof(client, auditor, clock):
    clock.advance(minutes=11)

    assert outcome(read(client, auditor, AUDIT)) == (401, "STEP_UP_REQUIRED")


def test_events_are_selected_by_user_event_and_time(client, user, auditor, clock):
    clock.advance(minutes=1)
    client.login(password=WRONG)
    client.login()
    ada = user.json["user"]["id"]
    since = read(client, auditor, AUDIT, event="login.failed").json["events"][0]["at"]

    assert events_of(read(client, auditor, AUDIT, user=ada)) == [
        "login.succeeded",
        "login.failed",
        "user.registered",
    ]
    assert events_of(read(client, auditor, AUDIT, user=ada, since=since)) == [
        "login.succeeded",
        "login.failed",
    ]
    both = read(client, auditor, AUDIT, user=ada, event="user.registered")
    assert [each["subject"] for each in both.json["events"]] == [ada]


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"user": EMAIL}, "/user"),
        ({"event": "login.fialed"}, "/event"),
        ({"since": "yesterday"}, "/since"),
        ({"since": "2026-11-21T09:30:00"}, "/since"),
        ({"since": "0001-01-01T00:00:00Z"}, "/since"),
        ({"after": "x"}, "/after"),
        ({"limit": "0"}, "/limit"),
        ({"limit": "201"}, "/limit"),
        ({"limit": "ten"}, "/limit"),
        ({"who": "x"}, "/who"),
    ],
)
def test_what_is_no_query_is_told(client, auditor, params, pointer):
    answer = read(client, auditor, AUDIT, **params)

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert [each["pointer"] for each in answer.json["errors"]] == [pointer]


def test_pages_miss_and_repeat_nothing_while_events_are_added(client, user):
    for _ in range(6):
        client.login(password=PASSWORD)
    expected = [each["id"] for each in read(client, user, ACTIVITY).json["events"]]

    found = []
    for page in pages(client, user, ACTIVITY, limit=3):
        found += [each["id"] for each in page]
        client.login(password=PASSWORD)

    assert found == expected
    assert len(found) == 7


def test_users_see_what_happened_to_them_and_nobody_elses_address(client, user):
    client.register("eve@example.com")
    client.login("eve@example.com")
    client.login(password=WRONG, remote_addr="192.0.2.66")
    service = client.app.service
    service.administration.set_active("eve@example.com", active=False)
    ada, admin = user.json["user"]["id"], "0c0f3e0a-3a52-4b43-a1fc-6a4a1f0f7a0e"
    by_admin = service.sessions._traces._trail.event("role.granted", actor=admin, subject=ada)  # noqa: SLF001 - the service's own
    seen = {"ip": "192.0.2.99", "user_agent": "admins", "request_id": "r-9"}
    service.store.audit.append([replace(by_admin, **seen)])

    granted, failed, registered = read(client, user, ACTIVITY).json["events"]

    assert (granted["event"], granted["actor"]) == ("role.granted", admin)
    assert [granted[name] for name in seen] == [None] * 3
    assert (failed["event"], failed["ip"]) == ("login.failed", "192.0.2.66")
    assert (registered["event"], registered["actor"]) == ("user.registered", ada)


def test_an_export_of_ones_account_has_the_newest_events(client, user):
    trail = client.app.service.sessions._traces._trail  # noqa: SLF001 - the service's own
    ada = user.json["user"]["id"]
    client.app.service.store.audit.append(
        [trail.event("user.renamed", actor=ada, subject=ada) for _ in range(EXPORTED)]
    )

    shown = account(client, user).json["activity"]

    assert {each["event"] for each in shown} == {"user.renamed"}
    assert len(shown) == EXPORTED


# --- Commands


@pytest.fixture
def run(sqlite_url):
    """Run a command on a database where ada registered, and a stranger guessed."""
    app = create_app(settings_for(database_url=sqlite_url))
    registration = app.service.registration
    registration.register(email=EMAIL, password=PASSWORD, username=None, client=Client())
    trail = app.service.sessions._traces._trail  # noqa: SLF001 - the service's own
    trail.record_failed_login(account="nobody", subject=None, reason="unknown")
    app.service.close()
    environment = {
        "ENVIRONMENT": "testing",
        "JWT_SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": sqlite_url,
        "BCRYPT_ROUNDS": "4",
    }

    def run(*arguments):
        return CliRunner().invoke(cli, ["audit", *arguments], env=environment)

    return run


def test_the_command_lists_the_newest_first(run):
    lines = run("list").output.splitlines()

    assert [line.split("\t")[1:3] for line in lines] == [
        ["login.failed", "failure"],
        ["user.registered", "success"],
    ]
    assert lines[0].endswith("\t-\t-\t-\treason=unknown")
    assert [json.loads(run("list", "--limit", "1", "--json").output)["event"]] == ["login.failed"]


def test_the_command_selects(run):
    assert run("list", "--user", EMAIL).output.split("\t")[1] == "user.registered"
    assert run("list", "--since", "2999-01-01T00:00:00Z").output == ""
    unknown = run("list", "--user", "nobody@example.com")
    assert (unknown.exit_code, unknown.output) == (1, "Error: No user has this e-mail address.\n")
    misspelt = run("export", "--event", "login.fialed")
    assert (misspelt.exit_code, "Is not an event" in misspelt.output) == (1, True)


def test_the_export_is_json_lines_oldest_first_page_by_page(run, sqlite_url):
    app = create_app(settings_for(database_url=sqlite_url))
    trail = app.service.sessions._traces._trail  # noqa: SLF001 - the service's own
    app.service.store.audit.append(
        [trail.event("user.renamed", actor=None, subject=None) for _ in range(PAGE)]
    )
    app.service.close()

    lines = [json.loads(line) for line in run("export").output.splitlines()]

    assert [each["event"] for each in lines[:3]] == [
        "user.registered",
        "login.failed",
        "user.renamed",
    ]
    ids = [each["id"] for each in lines]
    assert ids == sorted(set(ids))
    assert len(ids) == PAGE + 2
