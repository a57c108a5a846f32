"""Misspelt variables: named at start-up with what was meant, and never with their values."""

from __future__ import annotations

import json

import pytest
from commanding import run_here
from processes import ROOT, SECRET_KEY

from falcon_auth.commands.serve import read_settings


def start(folder, env_file="", **environment):
    """Read the settings as a start does, beside a `.env` of that text."""
    (folder / ".env").write_text(env_file)
    return run_here(read_settings, cwd=folder, JWT_SECRET_KEY=SECRET_KEY, **environment)


def warned_of(result):
    """The names that were warned of, each with the setting that it is near to."""
    assert (result.returncode, result.stderr) == (0, "")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["event"] for line in lines} <= {"unknown_variable"}
    return {line["name"]: line["nearest"] for line in lines}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RATE_LIMIT_ENABLE", "RATE_LIMIT_ENABLED"),
        ("JWT_SECRT_KEY", "JWT_SECRET_KEY"),
        ("CORS_ORIGIN", "CORS_ORIGINS"),
        ("trusted_proxie", "TRUSTED_PROXIES"),
        ("export DATABSE_URL", "DATABASE_URL"),
    ],
)
def test_a_slip_in_the_env_file_refuses_the_start_and_names_what_was_meant(tmp_path, name, meant):
    result = start(tmp_path, f"{name}=hunter2\n")

    assert result.returncode == 2
    said = f".env: {name.removeprefix('export ')} is not a setting; did you mean {meant}?"
    assert said in result.stderr.splitlines()
    assert "hunter2" not in result.stderr + result.stdout


def test_a_name_in_the_env_file_that_is_only_alike_is_warned_of(tmp_path):
    """It may be another program's: `.env` is often shared with Docker Compose and the tests."""
    result = start(tmp_path, "TEST_DATABASE_URL=hunter2\nJWT_SECRET=hunter2\nPOSTGRES_DB=auth\n")

    assert warned_of(result) == {
        "TEST_DATABASE_URL": "DATABASE_URL",
        "JWT_SECRET": "JWT_SECRET_KEY",
    }
    assert "hunter2" not in result.stdout


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RATE_LIMIT_ENABLE", "RATE_LIMIT_ENABLED"),
        ("BCRYPT_COST", "BCRYPT_ROUNDS"),
        ("CORS_ALLOWED_ORIGINS", "CORS_ORIGINS"),
        ("PASSWORD_MINIMUM_LENGTH", "PASSWORD_MIN_LENGTH"),
        ("DATABASE_POOL_SIZE", "DATABASE_MAX_POOL_SIZE"),
    ],
)
def test_a_variable_of_the_environment_that_begins_as_settings_do_is_warned_of(
    tmp_path, name, meant
):
    result = start(tmp_path, **{name: "hunter2"})

    assert warned_of(result) == {name: meant}
    assert "hunter2" not in result.stdout


@pytest.mark.parametrize(
    "name",
    ["PORTS", "HOSTNAME", "XJWT_SECRET_KEY", "SESSION_MANAGER", "REDIS_SERVICE_HOST", "LOG_FILE"],
)
def test_other_programs_variables_of_the_environment_are_left_alone(tmp_path, name):
    assert warned_of(start(tmp_path, **{name: "1"})) == {}


def test_a_setting_may_be_written_in_any_case(tmp_path):
    result = start(tmp_path, "log_level=INFO\nLog_Format=json\n", bcrypt_rounds="4")

    assert warned_of(result) == {}


def test_the_example_file_is_free_of_slips(tmp_path):
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = [line.lstrip("# ") for line in text.splitlines() if "=" in line and " " not in line]

    result = start(tmp_path, "\n".join(f"{name.partition('=')[0]}=" for name in names))

    assert warned_of(result) == {}
