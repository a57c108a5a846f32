"""`outbox` and `mail`: how operators inspect and handle mails."""

import json

import pytest
from click.testing import CliRunner
from conftest import SECRET_KEY, START
from databases import database_for
from delivery_words import new_message
from processes import free_port
from store_records import new_user

from falcon_auth.__main__ import cli
from falcon_auth.delivery.topics import TOPIC_NAMES
from falcon_auth.stores.sql.database import open_engine
from falcon_auth.stores.sql.store import SqlStore

GIVEN = {"ENVIRONMENT": "testing", "BCRYPT_ROUNDS": "4", "JWT_SECRET_KEY": SECRET_KEY}
SENDER = "auth@example.org"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # Where no `.env` is.

    def invoke(*arguments, **environment):
        return CliRunner().invoke(cli, arguments, env=GIVEN | environment, catch_exceptions=False)

    return invoke


@pytest.fixture
def store(sqlite_url):
    """One message that failed, and one that waits."""
    database = database_for(open_engine(sqlite_url, pool_size=2))
    store = SqlStore(database)
    failed = new_message(new_user("ada"), topic="reset", error=None)
    waiting = new_message(new_user("eve"), payload={"to": "eve\x1b[2J@example.com"})
    store.outbox.add([failed])
    leased = store.outbox.lease("mail", now=START + 1, until=START + 30)
    store.outbox.give_up(leased, now=START, error="recipient refused (550)")
    store.outbox.add([waiting])
    yield store
    database.close()


# --- outbox


def test_the_list_shows_what_failed_and_why_before_what_waits(run, store, sqlite_url):
    answer = run("outbox", "list", DATABASE_URL=sqlite_url)

    failed, waiting = (line.split("\t") for line in answer.stdout.splitlines())
    assert failed[1:5] == ["failed", "1", "mail:reset", "ada@example.com"]
    assert failed[6] == "recipient refused (550)"
    assert waiting[1:5] == ["waiting", "0", "mail:password_changed", "eve\\x1b[2J@example.com"]
    assert waiting[6] == "-"


def test_the_list_can_be_of_the_failed_ones_alone_and_in_json(run, store, sqlite_url):
    answer = run("outbox", "list", "--failed", "--json", DATABASE_URL=sqlite_url)

    (line,) = answer.stdout.splitlines()
    assert json.loads(line)["topic"] == "reset"
    assert json.loads(line)["error"] == "recipient refused (550)"


def test_all_failed_messages_are_retried(run, store, sqlite_url):
    answer = run("outbox", "retry", "--all", DATABASE_URL=sqlite_url)

    assert answer.stdout == "1 messages will be tried again.\n"
    assert store.outbox.list_failed(limit=9) == []


def test_messages_are_retried_by_id_and_unknown_ids_are_reported(run, store, sqlite_url):
    (failed,) = store.outbox.list_failed(limit=9)

    answer = run("outbox", "retry", failed.id, "nonsense", DATABASE_URL=sqlite_url)

    assert answer.exit_code == 1
    assert "1 messages will be tried again." in answer.stdout
    assert "The others do not exist" in answer.stderr
    assert store.outbox.list_failed(limit=9) == []


@pytest.mark.parametrize("arguments", [(), ("some-id", "--all")])
def test_retry_wants_ids_or_all(run, sqlite_url, arguments):
    answer = run("outbox", "retry", *arguments, DATABASE_URL=sqlite_url)

    assert answer.exit_code == 2
    assert "--all" in answer.stderr


def test_the_outbox_of_a_service_in_memory_is_its_own(run):
    answer = run("outbox", "list")

    assert answer.exit_code == 1
    assert "Set DATABASE_URL" in answer.stderr


@pytest.mark.parametrize("arguments", [("list",), ("retry", "--all")])
def test_a_store_that_cannot_answer_is_one_line(run, sqlite_url, store, arguments):
    """The table is locked by somebody who does not let go."""
    from sqlalchemy import create_engine, text

    engine = create_engine(sqlite_url)
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE outbox RENAME TO gone"))
        connection.commit()
    engine.dispose()

    answer = run("outbox", *arguments, DATABASE_URL=sqlite_url)

    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-1].startswith("Error: ")


# --- mail preview


@pytest.mark.parametrize("name", TOPIC_NAMES)
def test_every_mail_can_be_looked_at(run, name):
    text, html = run("mail", "preview", name), run("mail", "preview", name, "--html")

    assert text.stdout.startswith("Subject: ")
    assert "localhost" in text.stdout
    assert html.stdout.startswith("<!doctype html>")
    assert text.exit_code == html.exit_code == 0


def test_the_preview_shows_an_operator_s_own_text_in_a_language(run, tmp_path):
    own = tmp_path / "mails"
    own.mkdir()
    (own / "reset.de.txt").write_text("Neues Passwort\n\n{{ link }}\n")
    settings = {"MAIL_TEMPLATES": str(own), "PUBLIC_URL": "https://auth.example.org"}

    text = run("mail", "preview", "reset", "--language", "de", **settings)
    html = run("mail", "preview", "reset", "--language", "de", "--html", **settings)

    assert text.stdout == (
        "Subject: Neues Passwort\n\nhttps://auth.example.org/account/reset#token=sample\n"
    )
    assert (html.exit_code, html.stderr) == (1, "Error: This mail has no HTML part.\n")


def test_the_preview_tells_what_is_wrong_with_a_template(run, tmp_path):
    own = tmp_path / "mails"
    own.mkdir()
    (own / "reset.txt").write_text("S\n\n{{ tokn }}\n")

    answer = run("mail", "preview", "reset", MAIL_TEMPLATES=str(own))

    assert answer.exit_code == 2
    assert "MAIL_TEMPLATES: reset.txt: 'tokn' is undefined" in answer.stderr


# --- mail test


def test_a_test_mail_arrives(run, smtp):
    url = f"smtp://127.0.0.1:{smtp.port}"

    answer = run("mail", "test", "ada@example.com", MAIL_URL=url, MAIL_FROM=SENDER)

    assert answer.stdout == "The server has accepted the mail.\n"
    (mail,) = smtp.inbox.mails
    assert (mail["To"], mail["From"]) == ("ada@example.com", SENDER)
    assert "This is a test" in mail.get_content()


def test_a_test_mail_that_is_refused_says_why(run, smtp):
    smtp.inbox.answers = {"ada@example.com": ["550 no"]}
    url = f"smtp://127.0.0.1:{smtp.port}"

    refused = run("mail", "test", "ada@example.com", MAIL_URL=url, MAIL_FROM=SENDER)
    nowhere = f"smtp://127.0.0.1:{free_port()}"
    away = run("mail", "test", "ada@example.com", MAIL_URL=nowhere, MAIL_FROM=SENDER)

    assert refused.exit_code == 1
    assert refused.stderr.endswith("Error: Not delivered: recipient refused (550).\n")
    assert away.stderr.endswith("Error: Not delivered: server: ConnectionRefusedError.\n")


@pytest.mark.parametrize(
    ("address", "settings", "code", "says"),
    [
        ("ada@example.com", {}, 1, "MAIL_URL is not set"),
        ("ada", {"MAIL_URL": "smtp://x", "MAIL_FROM": SENDER}, 1, "not an e-mail address"),
        ("ada@example.com", {"MAIL_URL": "file:///nowhere", "MAIL_FROM": SENDER}, 2, "MAIL_URL: "),
    ],
)
def test_a_test_mail_needs_settings_and_an_address(run, address, settings, code, says):
    answer = run("mail", "test", address, **settings)

    assert answer.exit_code == code
    assert says in answer.stderr
