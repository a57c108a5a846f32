"""The commands around keys, and two services side by side that follow them."""

import contextlib
import signal
import time

import pytest
from commanding import run_command
from conftest import Clock
from key_operator import Operator
from processes import ROOT, eventually

from falcon_auth.delivery.webhook_url import parse_secret
from falcon_auth.keys import ASYMMETRIC
from falcon_auth.keys.folder import KeyFolder
from falcon_auth.keys.pem import parse_pem
from falcon_auth.keys.service_credentials import ServiceCredentials

LONG_AGO = 30 * 86400


@pytest.fixture
def run(tmp_path):
    """Run a command; what it says, and its exit code."""

    def command(*arguments, **environment):
        settings = {"JWT_ALGORITHM": "ES256", "JWT_KEY_DIRECTORY": "keys"} | environment
        given = {name: value for name, value in settings.items() if value is not None}
        return run_command(*arguments, cwd=tmp_path, **given)

    return command


@pytest.fixture
def operator(tmp_path):
    """Someone who has rotated keys a month ago."""
    return Operator(tmp_path / "keys", Clock(time.time() - LONG_AGO))


def states(path):
    return {record.kid: record.state for record in KeyFolder(path / "keys").read_plan().keys}


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_key_file_is_made_for_its_owner_and_never_overwritten(algorithm, run, tmp_path):
    made = run("secret", "--algorithm", algorithm, "--out", "key.pem")
    data = (tmp_path / "key.pem").read_bytes()
    again = run("secret", "--algorithm", algorithm, "--out", "key.pem")

    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert made.stdout.split() == ["kid", parse_pem(data, algorithm).kid]
    assert (again.returncode, again.stdout) == (1, "")
    assert "File exists" in again.stderr
    assert (tmp_path / "key.pem").read_bytes() == data


def test_a_kid_that_begins_with_a_hyphen_is_not_taken_for_an_option(run, operator):
    operator.add()

    removed = run("keys", "remove", "-abc", "--force")

    assert "No key has this id" in removed.stderr


def test_a_secret_may_go_into_a_file_too(run, tmp_path):
    assert run("secret", "--out", "key.txt").stdout == ""
    assert len((tmp_path / "key.txt").read_text().strip()) == 64


def test_without_a_file_the_key_is_printed(run):
    printed = run("secret", "--algorithm", "EdDSA").stdout

    assert parse_pem(printed.encode(), "EdDSA")
    assert len(run("secret").stdout.strip()) == 64


def test_a_secret_for_webhooks_is_one_that_the_settings_take(run):
    assert len(parse_secret(run("secret", "--webhook").stdout.strip())) == 32


def test_a_credential_is_made_of_which_only_the_hash_is_to_be_kept(run):
    token, credential = (
        line.split()[-1] for line in run("service-token", "orders").stdout.splitlines()
    )

    assert ServiceCredentials([credential]).service_of(token) == "orders"
    assert run("service-token", "a,b").returncode == 1


def test_keys_are_added_and_a_step_too_early_says_when_it_is_safe(run, tmp_path):
    run("keys", "add")
    added = run("keys", "add", "--algorithm", "EdDSA")
    early = run("keys", "promote")
    listed = run("keys", "list").stdout.splitlines()

    assert list(states(tmp_path).values()) == ["active", "next"]
    assert early.returncode == 3
    promote_from = added.stdout.splitlines()[1].split()[-1]
    assert f"It will be safe at {promote_from}." in early.stderr
    assert [line.split()[1:3] for line in listed] == [["ES256", "active"], ["EdDSA", "next"]]


def test_safe_steps_are_taken(run, operator, tmp_path):
    first, second = operator.add(), operator.add()

    assert run("keys", "promote").returncode == 0
    assert states(tmp_path) == {first: "retiring", second: "active"}
    assert run("keys", "remove", first).returncode == 3
    assert run("keys", "remove", first, "--force").returncode == 0
    assert states(tmp_path) == {first: "gone", second: "active"}
    assert "gone" in run("keys", "list").stdout
    wrong = run("keys", "remove", second)
    assert (wrong.returncode, "active key cannot be removed" in wrong.stderr) == (1, True)


def test_a_timer_rotates(run, operator, tmp_path):
    first, second = operator.add(), operator.add()

    assert run("keys", "rotate", "--every", "10").returncode == 0
    assert states(tmp_path) == {first: "retiring", second: "active"}
    mark = operator.folder.mark()
    assert run("keys", "rotate", "--every", "10").stdout == ""
    assert operator.folder.mark() == mark


def test_a_timer_begins_with_the_first_key(run, operator, tmp_path):
    assert run("keys", "rotate").returncode == 0
    assert list(states(tmp_path).values()) == ["active"]


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["list"], {"JWT_KEY_DIRECTORY": None, "JWT_ALGORITHM": None}, "JWT_KEY_DIRECTORY"),
        (["list"], {"PORT": "x"}, "PORT: "),
        (["list"], {"JWT_KEY_DIRECTORY": "nothing"}, "the folder does not exist"),
        (["add"], {"JWT_ALGORITHM": None}, "JWT_ALGORITHM is HS256"),
        (["add"], {"JWT_KEY_DIRECTORY": "/proc/keys"}, "cannot be written"),
        (["promote"], {}, "No key is published as the next one"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, environment, expected, run):
    ran = run("keys", *arguments, **environment)

    assert ran.returncode == 1
    assert expected in ran.stderr
    assert set(ASYMMETRIC) == {"RS256", "PS256", "ES256", "EdDSA"}


def test_another_service_verifies_through_a_rotation_and_an_outage(start_service, operator, run):
    """`examples/orders.py` beside the service; keys are rotated, then the service goes away."""
    first, second = operator.add(), operator.add()
    auth = start_service(
        JWT_ALGORITHM="ES256",
        JWT_KEY_DIRECTORY=str(operator.path),
        JWT_ISSUER="https://auth.example",
        JWT_AUDIENCE="everyone",
        JWT_SECRET_KEY=None,
    )
    orders = start_service(
        command=(str(ROOT / "examples" / "orders.py"),),
        ours=False,
        JWKS_URL=f"{auth.url}/.well-known/jwks.json",
        JWT_ISSUER="https://auth.example",
        JWT_AUDIENCE="everyone",
    )

    def ask(tokens):
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        return orders.request("GET", "/orders", headers=bearer)

    old = auth.register().json
    assert orders.request("GET", "/orders").json["code"] == "MISSING_TOKEN"
    assert ask(old).json == {"orders_of": "ada@example.com"}

    assert run("keys", "promote").returncode == 0
    auth.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: _signing(auth) == second)
    new = auth.login().json
    assert (ask(old).status, ask(new).status) == (200, 200)

    assert auth.stop() == 0
    assert (ask(old).status, ask(new).status) == (200, 200)
    forged = {"access_token": new["access_token"][:-6] + "AAAAAA"}
    assert ask(forged).json["code"] == "TOKEN_INVALID"
    assert orders.stop() == 0
    assert first != second


def _signing(auth):
    with contextlib.suppress(OSError):
        keys = auth.request("GET", "/health/ready").json["checks"]["keys"]["keys"]
        return next(key["kid"] for key in keys if key["state"] == "active")
    return None
