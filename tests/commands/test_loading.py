"""What a start loads, and what it leaves for those who use it: counted, since times vary."""

from __future__ import annotations

import ast

import pytest
from processes import run_python

from falcon_auth.__main__ import COMMANDS, cli
from falcon_auth.commands.startup import EXIT_WORKER_BOOT
from falcon_auth.extras import say_missing

# Packages by what they are for. Each takes ten milliseconds or more, or tens of megabytes.
DATABASES = {"sqlalchemy", "alembic", "psycopg", "redis"}
LATER = {"jsonschema", "email_validator", "dns", "argon2", "zxcvbn", "swagger_ui"}
LATER |= {"authlib", "joserfc", "httpx2", "httpcore2"}  # With PROVIDERS_FILE.
COMMAND_LINE = {"click", "tqdm"}
SERVICE = {"falcon", "waitress", "pydantic", "jwt", "cryptography", "structlog", "bcrypt"}

FIRST_ANSWER = """
import io, sys
from app import application
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/health", "QUERY_STRING": "", "SERVER_NAME": "x",
           "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
           "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
application(environ, lambda status, headers: print(status))
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""
HELP = """
import sys
from falcon_auth.__main__ import cli
try:
    cli(["--help"], prog_name="falcon-auth")
finally:
    print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


def packages_after(program, folder, **environment):
    """Run a program that prints the packages it has loaded; return them, and what came before."""
    given = {"ENVIRONMENT": "testing", "LOG_LEVEL": "ERROR"}
    ran = run_python("-c", program, cwd=folder, **given | environment)
    assert ran.returncode == 0, ran.stderr
    *printed, loaded = ran.stdout.splitlines()
    return set(ast.literal_eval(loaded)), printed


def test_the_first_answer_in_memory_loads_no_database_and_nothing_that_waits(tmp_path):
    loaded, printed = packages_after(FIRST_ANSWER, tmp_path)

    assert printed == ["200 OK"]
    assert loaded & (DATABASES | LATER | COMMAND_LINE) == set()
    assert loaded >= {"falcon", "jwt"}  # The names are those of packages.


def test_a_database_is_loaded_where_the_settings_name_one(tmp_path):
    loaded, _ = packages_after(FIRST_ANSWER, tmp_path, DATABASE_URL="sqlite:///auth.db")

    assert loaded & DATABASES == {"sqlalchemy", "alembic"}


def test_help_loads_no_command(tmp_path):
    loaded, printed = packages_after(HELP, tmp_path)

    assert printed[0].startswith("Usage: falcon-auth ")
    assert loaded & (DATABASES | LATER | SERVICE | {"tqdm"}) == set()
    assert "click" in loaded


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_says_of_a_command_how_its_own_help_begins(name):
    """The words stand twice, since the list is made without looking at the commands."""
    command = cli.get_command(None, name)

    assert command.name == name
    assert command.help.replace("\n", " ").startswith(COMMANDS[name].help)


@pytest.mark.parametrize(
    ("module", "extra"),
    [("psycopg", "postgresql"), ("redis.client", "redis"), ("sqlalchemy", "server")],
)
def test_a_missing_package_is_reported_with_its_extra(module, extra):
    said = say_missing(ModuleNotFoundError(name=module))

    assert said.startswith(f"{module.partition('.')[0]} is not installed")
    assert said.endswith(f"falcon-auth-service[{extra}]")


# A package that is None in `sys.modules` is one that is not installed.
WITHOUT = "import runpy, sys; sys.modules[{!r}] = None; "


@pytest.mark.parametrize(
    ("package", "database_url"),
    [("psycopg", "postgresql://127.0.0.1:1/x"), ("sqlalchemy", "sqlite:///auth.db")],
)
def test_a_database_without_its_driver_stops_the_start_and_names_the_extra(
    tmp_path, package, database_url
):
    program = WITHOUT.format(package) + "import falcon_auth.wsgi"
    ran = run_python("-c", program, cwd=tmp_path, DATABASE_URL=database_url)

    assert ran.returncode == EXIT_WORKER_BOOT
    assert f"DATABASE_URL, REDIS_URL: {package} is not installed" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("package", ["click", "waitress"])
def test_a_command_without_its_packages_names_the_extra(tmp_path, package):
    program = WITHOUT.format(package) + (
        "sys.argv = ['falcon-auth', 'serve']; runpy.run_module('falcon_auth', run_name='__main__')"
    )
    ran = run_python("-c", program, cwd=tmp_path)

    assert ran.returncode == 1
    assert f"{package} is not installed" in ran.stderr
    assert "falcon-auth-service[server]" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_command_that_is_not_there_is_refused(tmp_path):
    ran = run_python("-m", "falcon_auth", "nothing", cwd=tmp_path)

    assert ran.returncode == 2
    assert "No such command 'nothing'" in ran.stderr
