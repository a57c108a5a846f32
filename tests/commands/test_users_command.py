"""`python -m falcon_auth users`, on SQLite; what the commands leave behind serves."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from types import SimpleNamespace

import bcrypt
import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner
from databases import database_for
from processes import PASSWORD, PATIENCE, SECRET_KEY, clean_environment, eventually

from falcon_auth.__main__ import cli
from falcon_auth.stores.sql.database import open_engine
from falcon_auth.stores.sql.store import SqlStore

GIVEN = {"ENVIRONMENT": "testing", "BCRYPT_ROUNDS": "4", "JWT_SECRET_KEY": SECRET_KEY}
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()

# What `make_password` of Django writes for PASSWORD, at few iterations.
DJANGO = "pbkdf2_sha256$1000$seasalt$DrdiWD40lyBuydnjvZiDrdQMx1S1mOA9O0QYex0R6ww="


@pytest.fixture
def users(tmp_path, sqlite_url, monkeypatch):
    """Run a command on the test's database, in this process: starting one takes a second."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin=b"", **environment):
        given = GIVEN | {"DATABASE_URL": sqlite_url} | environment
        ran = CliRunner().invoke(
            cli, ["users", *map(str, arguments)], input=stdin, env=given, catch_exceptions=False
        )
        return SimpleNamespace(
            returncode=ran.exit_code, stdout=ran.stdout_bytes, stderr=ran.stderr_bytes
        )

    return run


@pytest.fixture
def start(start_service, sqlite_url):
    return lambda **more: start_service(DATABASE_URL=sqlite_url, **more)


@pytest.fixture
def store(sqlite_url):
    """The store that the commands work on, for a look."""
    database = database_for(open_engine(sqlite_url, pool_size=2))
    yield SqlStore(database)
    database.close()


def write_lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_user_s_life(users, start):
    """Created, logged in, disabled (its session ends at once), enabled, listed."""
    email = "ada@example.com"
    made = users("create", email, "--username", "ada", "--password-stdin", stdin=PASSWORD.encode())
    assert (made.returncode, len(made.stdout)) == (0, 37)
    service = start()
    bearer = {"Authorization": f"Bearer {service.login().json['access_token']}"}
    assert service.request("GET", "/protected", headers=bearer).status == 200

    assert users("disable", "ADA@example.com").returncode == 0

    assert service.request("GET", "/protected", headers=bearer).json["code"] == "TOKEN_REVOKED"
    assert service.login().json["code"] == "ACCOUNT_DISABLED"
    assert b"\tada\tdisabled\t" in users("list").stdout
    assert users("enable", email).returncode == 0
    assert service.login().status == 200
    listed = json.loads(users("list", "--json").stdout)
    assert (listed["email"], listed["is_active"]) == (email, True)
    assert set(listed) == {
        *(
            "id",
            "email",
            "email_verified",
            "username",
            "is_active",
            "created_at",
            "updated_at",
            "last_login_at",
            "roles",
            "factors",
        )
    }


@pytest.mark.parametrize(
    ("arguments", "stdin", "fault"),
    [
        (["create", "ada@example", "--username", "a!"], PASSWORD, "Send an e-mail address"),
        (["create", "ada@example.com"], "password", "among the most common ones"),
        (["create", "ada@example.com"], b"\xff", "not valid UTF-8"),
        (["disable", "nobody@example.com"], "", "No user has this e-mail address."),
        (["enable", "no address"], "", "No user has this e-mail address."),
    ],
)
def test_a_refused_command_says_why_and_changes_nothing(users, arguments, stdin, fault):
    if arguments[0] == "create":
        arguments = [*arguments, "--password-stdin"]

    users("import", os.devnull)  # Makes the database, and nobody in it.
    result = users(*arguments, stdin=stdin if isinstance(stdin, bytes) else stdin.encode())

    assert result.returncode == 1
    assert fault in result.stderr.decode()
    assert b"Traceback" not in result.stderr
    assert users("list").stdout == b""


def test_a_second_user_with_the_address_is_refused(users):
    create = ("create", "ada@example.com", "--password-stdin")
    users(*create, stdin=PASSWORD.encode())

    again = users(*create, stdin=b"another battery staple\r\n")

    assert again.returncode == 1
    assert "A user with this e-mail address exists already." in again.stderr.decode()


def created(users, email="ada@example.com"):
    assert users("create", email, "--password-stdin", stdin=PASSWORD.encode()).returncode == 0


def test_users_are_listed_newest_first_and_found(users, store):
    for name in ("ada", "grace", "alan"):
        created(users, f"{name}@example.com")
    users("disable", "grace@example.com")
    ada = store.users.find_by_email("ada@example.com")
    store.roles.change(ada.id, grant=["admin"], now=0)

    def listed(*options):
        lines = users("list", *options).stdout.decode().splitlines()
        return [line.partition("@")[0] for line in lines]

    assert listed() == ["alan", "grace", "ada"]
    assert listed("--query", "A@EXAMPLE") == ["ada"]
    assert listed("--role", "admin") == ["ada"]
    assert listed("--disabled") == ["grace"]
    assert listed("--disabled", "--query", "ada") == []
    assert b"printable characters" in users("list", "--query", "").stderr


def test_a_user_is_shown_with_the_live_sessions_and_no_hash(users, start):
    created(users)
    service = start()
    service.login()
    session = service.login().json["access_token"]

    shown = json.loads(users("show", "ADA@example.com", "--json").stdout)
    lines = users("show", "ada@example.com").stdout.decode().splitlines()

    assert set(shown) == {"user", "sessions"}
    assert (shown["user"]["email"], len(shown["sessions"])) == ("ada@example.com", 2)
    assert set(shown["sessions"][0]) == {
        *("id", "created_at", "last_used_at", "expires_at", "user_agent", "ip", "amr")
    }
    assert "is_active       true" in lines
    assert "sessions        2" in lines
    assert not any(secret in "".join(lines) for secret in ("$2b$", session))


def test_a_new_password_counts_at_once_and_ends_all_sessions(users, start):
    created(users)
    service = start()
    bearer = {"Authorization": f"Bearer {service.login().json['access_token']}"}
    new = "another battery staple"

    said = users("set-password", "ada@example.com", "--password-stdin", stdin=new.encode())

    assert (said.returncode, said.stdout) == (
        0,
        b"ada@example.com has a new password; 1 sessions ended.\n",
    )
    assert service.request("GET", "/protected", headers=bearer).json["code"] == "TOKEN_REVOKED"
    assert service.login().status == 401
    assert service.login(password=new).status == 200


def test_a_new_password_is_held_against_the_policy(users, start):
    created(users)

    refused = users("set-password", "ada@example.com", "--password-stdin", stdin=b"password")
    unknown = users("set-password", "bob@example.com", "--password-stdin", stdin=b"")

    assert (refused.returncode, b"most common" in refused.stderr) == (1, True)
    assert (unknown.returncode, b"No user has this" in unknown.stderr) == (1, True)
    assert start().login().status == 200


def test_all_sessions_of_a_user_end_by_command(users, start):
    created(users)
    service = start()
    bearer = {"Authorization": f"Bearer {service.login().json['access_token']}"}

    assert (
        users("end-sessions", "ada@example.com").stdout == b"ada@example.com: 1 sessions ended.\n"
    )

    assert service.request("GET", "/protected", headers=bearer).json["code"] == "TOKEN_REVOKED"
    assert (
        users("end-sessions", "ada@example.com").stdout == b"ada@example.com: 0 sessions ended.\n"
    )


def test_results_are_printed_and_the_log_only_where_it_is_asked_for(users):
    created(users)

    quiet = users("disable", "ada@example.com")
    told = users("enable", "ada@example.com", "--verbose")

    assert (quiet.stdout, quiet.stderr) == (b"ada@example.com is disabled.\n", b"")
    assert told.stdout == b"ada@example.com is enabled.\n"
    events = [json.loads(line)["event"] for line in told.stderr.splitlines()]
    assert {"service_built", "user_enabled"} <= set(events)


def test_a_misspelt_variable_is_named_without_a_log(users):
    said = users("list", DATABASE_ULR="x")

    assert b"DATABASE_ULR has no effect; did you mean DATABASE_URL?" in said.stderr


@pytest.mark.parametrize("variable", ["DATABASE_URL", "SNAPSHOT_FILE"])
@pytest.mark.parametrize(
    "command", [["list"], ["show", "a@example.com"], ["disable", "a@example.com"]]
)
def test_a_mistyped_path_makes_no_file(users, tmp_path, variable, command):
    path = tmp_path / "no" / "such.db"
    value = f"sqlite:///{path}" if variable == "DATABASE_URL" else str(path)

    said = users(*command, **{"DATABASE_URL": "", variable: value})

    assert said.returncode == 1
    assert f"{variable}: the file {path} does not exist" in said.stderr.decode()
    assert not path.parent.exists()


def test_users_on_postgresql_are_listed_as_well(users, postgres_url):
    assert users("list", DATABASE_URL=postgres_url).returncode == 0


@pytest.mark.parametrize("command", [["list"], ["disable", "ada@example.com"]])
def test_in_memory_there_is_nobody_to_administer(users, command):
    result = users(*command, DATABASE_URL="")

    assert result.returncode == 1
    assert result.stderr.decode().startswith("Error: Set DATABASE_URL or SNAPSHOT_FILE")


def test_the_password_is_asked_for_twice_without_echo(tmp_path, sqlite_url, users):
    """On a terminal of its own, whose every output is read."""
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - becomes the command
        os.chdir(tmp_path)
        environment = clean_environment(**GIVEN, DATABASE_URL=sqlite_url)
        command = ["-m", "falcon_auth", "users", "create", "ada@example.com"]
        os.execve(sys.executable, [sys.executable, *command], environment)  # noqa: S606 - no shell is the point
    shown = b""
    try:
        for prompt in (b"Password: ", b"confirmation: "):
            while prompt not in shown:
                shown += os.read(terminal, 1000)
            os.write(terminal, PASSWORD.encode() + b"\n")
        while True:
            shown += os.read(terminal, 1000)
    except OSError:  # Linux's way to say that the other end is closed.
        pass
    finally:
        os.close(terminal)

    assert os.waitpid(child, 0)[1] == 0
    assert PASSWORD.encode() not in shown
    assert b"ada@example.com\t" in users("list").stdout


# --- import


def test_imported_users_log_in_and_a_hash_of_another_kind_becomes_today_s(
    users, start, store, tmp_path
):
    hashes = {
        "bcrypt@example.com": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode(),
        "php@example.com": HASH.replace("$2b$", "$2y$"),
        "argon2@example.com": PasswordHasher(memory_cost=1024, time_cost=1).hash(PASSWORD),
        "django@example.com": DJANGO,
    }
    source = write_lines(
        tmp_path / "users.jsonl",
        *({"email": email, "password_hash": stored} for email, stored in hashes.items()),
        {"email": "off@example.com", "password_hash": HASH, "is_active": False},
    )

    result = users("import", source)

    assert (result.returncode, result.stdout) == (0, b"5 users imported, 0 lines refused.\n")
    service = start()
    for email in hashes:
        assert service.login(email, "wrong horse").status == 401
        assert service.login(email).status == 200
        assert service.login(email).status == 200  # With the new hash, where there is one.
    assert service.login("off@example.com").json["code"] == "ACCOUNT_DISABLED"
    assert service.stop() == 0
    now = {email: store.users.find_by_email(email).password_hash for email in hashes}
    for email in ("argon2@example.com", "django@example.com"):
        assert now[email].startswith("$2b$04$")
    for email in ("bcrypt@example.com", "php@example.com"):  # Dearer, and as dear.
        assert now[email] == hashes[email]


def test_the_report_names_lines_and_reasons_and_holds_nothing_else(users, tmp_path):
    source = write_lines(
        tmp_path / "users.jsonl",
        {"email": "ada@example.com", "password_hash": HASH},
        {"email": "bob@example.com", "password_hash": "$2b$31$" + HASH[7:]},
        {"email": "eve@example.com", "password_hash": "pbkdf2_sha256$9999999$s$" + HASH[:43] + "="},
        {"email": "Ada@example.com", "password_hash": HASH},
    )

    result = users("import", source)

    report = (tmp_path / "users-refused.jsonl").read_text()
    assert [json.loads(each) for each in report.splitlines()] == [
        {"line": 2, "code": "HASH_NOT_ACCEPTED", "pointer": "/password_hash"},
        {"line": 3, "code": "HASH_NOT_ACCEPTED", "pointer": "/password_hash"},
        {"line": 4, "code": "DUPLICATE_EMAIL", "pointer": ""},
    ]
    assert result.returncode == 1
    assert result.stdout.startswith(b"1 users imported, 3 lines refused.\n")
    told = result.stdout + result.stderr
    assert not any(secret in told for secret in (b"example.com", HASH.encode()))

    again = users("import", source, "--from-line", 4)
    assert again.returncode == 0  # Who is there already is no fault.
    assert len((tmp_path / "users-refused.jsonl").read_text().splitlines()) == 4


def test_the_report_does_not_overwrite_the_source(users, tmp_path):
    source = write_lines(tmp_path / "users.jsonl", {"email": "ada@example.com"})
    before = source.read_text()

    result = users("import", source, "--report", tmp_path / "." / "users.jsonl")

    assert result.returncode == 2
    assert b"is SOURCE itself" in result.stderr
    assert source.read_text() == before


def unread(pipe):
    """How many bytes of a pipe its reader has not taken yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_import_that_is_stopped_goes_on_where_it_was(users, store, sqlite_url, tmp_path, number):
    """The pipe stays open, so it stops with whole batches stored and half a one read."""
    lines = [
        json.dumps({"email": f"user{each}@example.com", "password_hash": HASH}).encode() + b"\n"
        for each in range(1, 2501)
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "falcon_auth", "users", "import", "-"],
        cwd=tmp_path,
        env=clean_environment(**GIVEN, DATABASE_URL=sqlite_url),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as running:
        running.stdin.write(b"".join(lines[:2300]))
        running.stdin.flush()
        assert eventually(lambda: store.users.find_by_email("user2000@example.com"))
        assert eventually(lambda: unread(running.stdin) == 0)  # It has counted them as well.
        running.send_signal(number)
        said = running.stderr.read().decode()
        running.stdin.close()
        assert running.wait(PATIENCE) != 0
    if number == signal.SIGINT:
        assert "2000 users imported, up to line 2000. Resume with --from-line 2001." in said

    (tmp_path / "users.jsonl").write_bytes(b"".join(lines))
    rest = users("import", "users.jsonl")

    assert rest.returncode == 0
    assert rest.stdout.startswith(b"500 users imported, 2000 lines refused.\n")
    assert len(users("list").stdout.splitlines()) == 2500
