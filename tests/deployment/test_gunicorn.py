"""How gunicorn starts, and what it refuses to start with."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from databases import POSTGRES_URL
from processes import PATIENCE, ROOT, SECRET_KEY, clean_environment, eventually, free_port
from sqlalchemy import make_url
from wire import Wire

CONFIGURED = ("--config", str(ROOT / "deploy" / "gunicorn.conf.py"))
ONE_THREAD_HASHES = {"REQUEST_THREADS": "20", "HASH_QUEUE_SIZE": "2", "HASH_WORKERS": "1"}
FIT = {
    "ENVIRONMENT": "testing",
    "BCRYPT_ROUNDS": "4",
    "JWT_SECRET_KEY": SECRET_KEY,
    "LOG_LEVEL": "ERROR",
    **ONE_THREAD_HASHES,
}


def run_gunicorn(folder, *arguments, **environment):
    """Run gunicorn until it ends by itself, which what cannot start has to."""
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", *arguments, "--no-control-socket", "app:application"],
        cwd=folder,
        env=clean_environment(PORT=str(free_port()), **environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(("arguments", "code"), [(CONFIGURED, 2), (("--preload",), 3), ((), 3)])
def test_a_wrong_configuration_ends_gunicorn_with_a_code_and_every_fault(tmp_path, arguments, code):
    """It once started workers without an end, behind an open port."""
    faults = FIT | {"ENVIRONMENT": "production", "JWT_SECRET_KEY": "hunter2"}

    ended = run_gunicorn(tmp_path, *arguments, **faults)

    assert ended.returncode == code, ended.stderr
    assert "Falcon Auth cannot start:\nBCRYPT_ROUNDS: at least 12 in production\n" in ended.stderr
    assert "DATABASE_URL: is needed in production" in ended.stderr
    assert "hunter2" not in ended.stderr
    assert ("Listening at" in ended.stderr) == (arguments == ())


@pytest.mark.parametrize(("arguments", "code"), [(CONFIGURED, 2), ((), 3)])
def test_a_database_that_cannot_be_used_ends_gunicorn(tmp_path, arguments, code):
    url = f"sqlite:///{tmp_path}/no-such-folder/auth.db"

    ended = run_gunicorn(tmp_path, *arguments, **FIT, DATABASE_URL=url)

    assert ended.returncode == code, ended.stderr
    assert "DATABASE_URL: " in ended.stderr


@pytest.mark.parametrize("url", ["", "memory:"])
@pytest.mark.parametrize(
    ("arguments", "environment", "codes"),
    [
        ((*CONFIGURED, "--workers", "2"), {}, {2}),
        (CONFIGURED, {"WEB_CONCURRENCY": "3"}, {2}),
        # gunicorn itself stumbles over a second worker that fails while it ends, and exits with 1.
        ((), {"WEB_CONCURRENCY": "3"}, {1, 3}),
    ],
)
def test_several_workers_without_a_database_are_refused(
    tmp_path, arguments, environment, codes, url
):
    """Each would have users of its own: of twelve requests nine were once refused."""
    ended = run_gunicorn(tmp_path, *arguments, **FIT, **environment, DATABASE_URL=url)

    assert ended.returncode in codes, ended.stderr
    assert "DATABASE_URL: is needed for " in ended.stderr


def test_a_metrics_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    users, counter = folder / "users.db", folder / "counter_7.db"
    for file in (users, counter):
        file.write_bytes(b"precious")

    ended = run_gunicorn(tmp_path, *CONFIGURED, **FIT, PROMETHEUS_MULTIPROC_DIR=str(folder))

    assert ended.returncode == 2
    assert (
        "PROMETHEUS_MULTIPROC_DIR: contains files that are not prometheus-client's" in ended.stderr
    )
    assert [users.read_bytes(), counter.read_bytes()] == [b"precious"] * 2


def test_gunicorn_reads_host_port_and_threads_from_the_env_file(tmp_path):
    port = free_port()
    settings = {"HOST": "::1", "PORT": port, "DATABASE_URL": f"sqlite:///{tmp_path}/a.db", **FIT}
    (tmp_path / ".env").write_text("".join(f"{name}={text}\n" for name, text in settings.items()))

    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *CONFIGURED, "--no-control-socket", "app:application"],
        cwd=tmp_path,
        env=clean_environment(WEB_CONCURRENCY="2"),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert eventually(lambda: is_alive("::1", port))
        finally:
            process.terminate()
            log = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0
    assert f"Listening at: http://[::1]:{port}" in log
    shown = run_gunicorn(tmp_path, *CONFIGURED, "--print-config").stdout
    assert re.search(r"^threads += 20$", shown, re.MULTILINE)


def is_alive(host, port):
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


AWAY = """
from falcon_auth.commands.serve import build_for_server
build_for_server(pause=lambda seconds: print("waited", seconds))
"""


def test_a_worker_waits_while_the_database_is_away_and_has_gunicorn_try_again(tmp_path):
    """Only the codes 3 and 4 make gunicorn end, and would take the other workers along."""
    url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/auth"

    ended = subprocess.run(
        [sys.executable, "-c", AWAY],
        cwd=tmp_path,
        env=clean_environment(**FIT, DATABASE_URL=url),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "waited 5.0\n")
    assert "DATABASE_URL: the database cannot be used" in ended.stderr


@pytest.fixture
def wire():
    server = make_url(POSTGRES_URL)
    wire = Wire((server.host, server.port or 5432))
    yield wire
    wire.close()


def test_a_worker_that_dies_while_the_database_is_away_leaves_the_others_alive(
    start_service, migrated_postgres_url, wire
):
    url = make_url(migrated_postgres_url).set(host="127.0.0.1", port=wire.port)
    service = start_service(
        command=("-m", "gunicorn", *CONFIGURED, "--no-control-socket", "app:application"),
        DATABASE_URL=url.render_as_string(hide_password=False),
        WEB_CONCURRENCY="2",
        **ONE_THREAD_HASHES,
    )
    assert eventually(lambda: service.log.count('"service_built"') == 2)
    master = service.process.pid
    children = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii")
    victim = int(children.split()[0])

    wire.unplug()
    os.kill(victim, signal.SIGKILL)

    assert eventually(lambda: "DATABASE_URL: the database cannot be used" in service.log)
    assert service.request("GET", "/health").status == 200
    wire.plug()
    assert eventually(lambda: service.log.count('"service_built"') == 3)
    assert service.stop() == 0
