"""The commands of `python -m falcon_auth`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from commanding import run_command
from conftest import settings_for
from hypothesis import given
from hypothesis import strategies as st
from processes import SECRET_KEY, run_python

from falcon_auth import __version__
from falcon_auth.__main__ import cli
from falcon_auth.passwords.cost import Timing, advise

GIVEN = {"ENVIRONMENT": "testing", "BCRYPT_ROUNDS": "4", "JWT_SECRET_KEY": SECRET_KEY}


def run(*arguments):
    return CliRunner().invoke(cli, arguments)


def seed(folder, *arguments):
    """Seed `users.json`; in a process of its own, since a process has one memory store."""
    given = GIVEN | {"SNAPSHOT_FILE": "users.json"}
    return run_python("-m", "falcon_auth", "seed", *arguments, cwd=folder, **given)


def last_line(result):
    return result.stdout.splitlines()[-1]


def test_every_command_is_in_the_help():
    said = run("--help").output

    for name in ("serve", "secret", "seed", "hash-cost"):
        assert f"  {name} " in said


def test_the_version_is_printed():
    assert run("--version").output == f"falcon-auth, version {__version__}\n"


def test_the_module_is_a_command(tmp_path):
    result = run_python("-m", "falcon_auth", "secret", cwd=tmp_path)

    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout) == 65


# --- secret


def test_a_secret_is_fresh_each_time_and_fit_for_every_symmetric_algorithm():
    secrets = {run("secret").output for _ in range(20)}

    assert len(secrets) == 20
    for each in secrets:
        secret = each.removesuffix("\n")
        assert len(secret.encode()) >= 64
        assert secret.isascii()
        for algorithm in ("HS256", "HS384", "HS512"):
            settings = settings_for(jwt_secret_key=secret, jwt_algorithm=algorithm)
            assert settings.jwt_secret_key.get_secret_value() == secret


# --- seed


def test_seed_makes_users_once_and_counts(tmp_path):
    first = seed(tmp_path, "3")
    second = seed(tmp_path, "5", "--password", "another battery")

    assert (first.returncode, last_line(first)) == (0, "3 users created, 0 existed already.")
    assert (second.returncode, last_line(second)) == (0, "2 users created, 3 existed already.")
    assert "have the password: correct horse battery\n" in first.stdout
    assert "have the password: another battery\n" in second.stdout
    users = json.loads((tmp_path / "users.json").read_text())["users"]
    assert [user["email"] for user in users] == [f"user{each}@example.com" for each in range(1, 6)]
    assert len({user["password_hash"] for user in users}) == 2


def test_users_that_were_made_up_can_log_in(tmp_path, start_service):
    seed(tmp_path, "1")
    service = start_service(SNAPSHOT_FILE=str(tmp_path / "users.json"))

    assert service.login("user1@example.com").status == 200


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({}, "Error: Set DATABASE_URL or SNAPSHOT_FILE"),
        (
            {
                "ENVIRONMENT": "production",
                "BCRYPT_ROUNDS": "12",
                "SNAPSHOT_FILE": "users.json",
                "DATABASE_URL": "memory:",
            },
            "Error: Sample users are refused in production.",
        ),
    ],
)
def test_seed_is_refused_where_it_makes_no_sense_or_harm(tmp_path, environment, fault):
    result = run_command("seed", "1", cwd=tmp_path, **GIVEN | environment)

    assert result.returncode == 1
    assert result.stderr.startswith(fault)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", ["0", "-1", "many", "1000001"])
def test_seed_wants_a_number(count):
    assert run("seed", "--", count).exit_code == 2


# --- hash-cost


def test_hash_cost_times_what_it_is_asked_to_and_names_one():
    said = run("hash-cost", "--lowest", "4", "--highest", "6", "--seconds", "60")

    assert said.exit_code == 0
    lines = said.stdout.splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("hash  "))
    rows = lines[header + 1 : header + 9]
    assert [row.split()[:2] for row in rows[:3]] == [["bcrypt", cost] for cost in "456"]
    assert all(row.startswith("argon2 m=") for row in rows[3:])
    assert all(row.endswith("fits") for row in rows)
    assert all(float(each) > 0 for row in rows for each in row.split()[-3:-1])
    assert lines[-3:] == [
        "Set BCRYPT_ROUNDS=6: the highest timed with 60 s or less.",
        "Production refuses a cost below 12.",
        "PASSWORD_HASHER=argon2 (m=19 MiB, t=2) fits.",
    ]


def test_hash_cost_stops_where_it_takes_too_long():
    """The 20th would take a minute."""
    said = run("hash-cost", "--lowest", "4", "--highest", "20", "--seconds", "0.0001")

    assert said.exit_code == 0
    assert (
        "No bcrypt cost has 0.0001 s or less here; the cheapest timed is bcrypt 4." in said.stdout
    )
    assert "bcrypt 12" not in said.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--seconds", "0"),
        ("--seconds", "-1"),
        ("--lowest", "3"),
        ("--highest", "21"),
        ("--lowest", "9", "--highest", "8"),
        ("--logins", "-1"),
    ],
)
def test_hash_cost_refuses_what_makes_no_sense(arguments):
    assert run("hash-cost", *arguments).exit_code == 2


def timings_of(seconds_by_cost, cores=2):
    return [
        Timing(f"bcrypt {cost}", seconds, cores / seconds, cost)
        for cost, seconds in seconds_by_cost.items()
    ]


def test_the_advice_is_the_highest_cost_that_fits():
    timings = timings_of({10: 0.06, 11: 0.12, 12: 0.25, 13: 0.5})

    assert advise(timings, seconds=0.25, logins=0) == (
        "Set BCRYPT_ROUNDS=12: the highest timed with 0.25 s or less."
    )
    assert advise(timings, seconds=0.2, logins=0).startswith("Set BCRYPT_ROUNDS=11")
    assert "Production refuses a cost below 12" in advise(timings, seconds=0.2, logins=0)
    assert advise(timings, seconds=0.01, logins=0) == (
        "No bcrypt cost has 0.01 s or less here; the cheapest timed is bcrypt 10."
    )


def test_the_advice_leaves_room_for_the_log_ins_that_are_wanted():
    timings = timings_of({11: 0.12, 12: 0.25})

    advice = advise(timings, seconds=1, logins=10)

    assert advice.startswith("Set BCRYPT_ROUNDS=11: the highest timed with 1 s or less and 10 or")


@pytest.mark.parametrize(("seconds", "verdict"), [(0.1, "fits"), (0.3, "does not fit")])
def test_the_advice_says_what_argon2_is_worth(seconds, verdict):
    argon2 = Timing("argon2 m=19 MiB, t=2", seconds, 2 / seconds)

    advice = advise([*timings_of({12: 0.2}), argon2], seconds=0.25, logins=0)

    assert advice.splitlines()[-1] == f"PASSWORD_HASHER=argon2 (m=19 MiB, t=2) {verdict}."


@given(
    st.dictionaries(st.integers(4, 20), st.floats(0.0001, 100), min_size=1),
    st.floats(0.0001, 100),
    st.floats(0, 100),
)
def test_the_advised_cost_fits_and_no_higher_one_does(taken, seconds, logins):
    advice = advise(timings_of(taken), seconds=seconds, logins=logins)

    fitting = {cost for cost, each in taken.items() if each <= seconds and 2 / each >= logins}
    if fitting:
        assert advice.startswith(f"Set BCRYPT_ROUNDS={max(fitting)}:")
        assert ("Production refuses" in advice) == (max(fitting) < 12)
    else:
        assert advice.startswith("No bcrypt cost has")
