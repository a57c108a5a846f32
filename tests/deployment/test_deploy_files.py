"""What `deploy/` says about the service is so; what cannot be run here is at least consistent."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml
from processes import ROOT

from falcon_auth.settings import Settings

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = (DEPLOY / "falcon-auth.service").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text())
# The test of several processes runs this; see `GUNICORN` there.
COMMAND = "--config deploy/gunicorn.conf.py --no-control-socket app:application"
GUNICORN_S = {"WEB_CONCURRENCY"}
PYTHON_S = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PATH"}


def pinned_gunicorn(path):
    return re.search(r"^gunicorn==\S+", path.read_text(), re.MULTILINE)[0]


def test_gunicorn_is_the_one_that_is_tested():
    deployed = pinned_gunicorn(DEPLOY / "requirements.txt")

    assert deployed == pinned_gunicorn(ROOT / "requirements-dev.txt")


def test_unit_and_image_run_what_the_tests_run():
    assert f"gunicorn {COMMAND}\n" in UNIT
    in_image = re.search(r"^CMD \[(.*)\]$", DOCKERFILE, re.MULTILINE)[1]
    assert re.findall(r'"([^"]*)"', in_image) == ["gunicorn", *COMMAND.split()]


def test_all_that_the_image_copies_exists_and_is_let_through():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]

    assert ignored[1] == "*"
    assert len(copied) > 4
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def test_every_variable_is_one_that_the_service_reads():
    known = {name.upper() for name in Settings.model_fields} | GUNICORN_S | PYTHON_S
    in_image = set(re.findall(r"^(?:ENV |    )([A-Z_]+)=", DOCKERFILE, re.MULTILINE))
    environment = re.search(r"^Environment=(.*)$", UNIT, re.MULTILINE)[1]
    in_unit = set(re.findall(r"([A-Z_]+)=", environment))

    assert {"ENVIRONMENT", "HOST", "PORT"} <= in_image <= known
    assert "ENVIRONMENT" in in_unit
    assert in_unit <= known
    assert set(COMPOSE["x-auth"]["environment"]) <= known


def test_the_files_of_compose_exist_and_its_proxy_is_the_trusted_one():
    auth, nginx = COMPOSE["services"]["auth"], COMPOSE["services"]["nginx"]

    assert (DEPLOY / auth["build"]["context"] / auth["build"]["dockerfile"]).exists()
    assert any(each.startswith("./nginx.conf:") for each in nginx["volumes"])
    address = nginx["networks"]["front"]["ipv4_address"]
    assert auth["environment"]["TRUSTED_PROXIES"] == address
    for name, service in COMPOSE["services"].items():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"]), name
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name


def test_compose_turns_the_shipped_nginx_file_into_one_for_its_service():
    """Its sed is run on the file; one process is left, by its name."""
    script = COMPOSE["services"]["nginx"]["command"][2]
    sed = script.partition(" > ")[0].replace("/falcon-auth.conf", str(DEPLOY / "nginx.conf"))

    rendered = subprocess.run(
        ["sh", "-c", sed], capture_output=True, text=True, check=True, timeout=10
    ).stdout

    assert re.findall(r"^ +server ([^ {]+)", rendered, re.MULTILINE) == ["auth:8000"]


def test_every_program_that_systemd_is_to_start_is_named_by_its_whole_path():
    """It looks for a relative one where it was called, not in the working directory."""
    commands = re.sub(r"\\\n#? *", "", UNIT)
    (by_hand,) = re.findall(r"^# +systemd-run (.*)$", commands, re.MULTILINE)
    programs = [next(word for word in by_hand.split() if not word.startswith("--"))]
    programs += re.findall(r"^Exec\w+=(\S+)", commands, re.MULTILINE)

    assert len(programs) == 3
    assert all(program.startswith("/") for program in programs), programs


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "falcon-auth.service"
    program = shutil.which("true")
    unit.write_text(UNIT.replace("/opt/falcon-auth/.venv/bin/gunicorn", program))

    verified = subprocess.run(
        [systemd, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=30
    )
    exposure = subprocess.run(
        [systemd, "security", "--offline=yes", "--threshold=20", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert (verified.returncode, verified.stderr) == (0, "")
    assert exposure.returncode == 0, exposure.stdout[-200:]  # 2.0 of 10 at most; it has 1.4.
