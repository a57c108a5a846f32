"""The service as a process: how it starts, what it refuses, how it ends."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import struct
from pathlib import Path

import pytest
from processes import (
    EMAIL,
    PASSWORD,
    PATIENCE,
    ROOT,
    SECRET_KEY,
    eventually,
    read_answer,
    run_python,
)

APP = str(ROOT / "app.py")
SLOW_HASH = "12"  # A quarter of a second or so: long enough to be caught at it.


def refused(folder, *command, **environment):
    """Start something that cannot start; return the lines that say why."""
    result = run_python(*(command or (APP,)), cwd=folder, **environment)
    assert result.returncode == 2
    assert result.stdout == ""
    first, *faults = result.stderr.splitlines()
    assert first == "Falcon Auth cannot start:"
    return faults


def depth(service):
    return service.request("GET", "/health/ready").json["checks"]["hashing"]["depth"]


@contextlib.contextmanager
def hashing_login(service):
    """Send a log-in and see it being hashed; the connection is for its answer.

    One that was answered before anyone looked is followed by another.
    """
    with contextlib.closing(service.connect()) as connection:

        def is_hashing():
            body = json.dumps({"email": EMAIL, "password": PASSWORD})
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/v1/auth/login", body, headers)
            while not select.select([connection.sock], [], [], 0)[0]:
                if depth(service) > 0:
                    return True
            read_answer(connection)
            return False

        assert eventually(is_hashing)
        yield connection


# --- Starting


def test_python_app_py_serves(start_service):
    service = start_service()

    tokens = service.register().json
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    profile = service.request("GET", "/api/v1/protected/profile", headers=bearer)

    assert profile.status == 200
    assert profile.json["email"] == EMAIL
    assert service.login().status == 200
    assert service.stop() == 0


def test_the_serve_command_serves_as_well(start_service):
    service = start_service(command=("-m", "falcon_auth", "serve"))

    assert service.request("GET", "/health").status == 200
    assert service.stop() == 0


def test_the_log_says_what_the_store_is_and_that_it_is_lost(start_service):
    service = start_service()

    (built,) = service.awaited("service_built")
    assert built["store"] == {"kind": "memory", "limits": "lost on restart, one process"}
    assert built["environment"] == "testing"
    assert service.awaited("listening")[0]["port"] == service.port
    assert service.events("random_jwt_key") == []
    ready = service.request("GET", "/health/ready").json
    assert ready["checks"]["store"]["limits"] == "lost on restart, one process"


def test_a_random_key_is_warned_of_and_never_shown(start_service):
    service = start_service(JWT_SECRET_KEY=None)

    (warning,) = service.awaited("random_jwt_key")
    assert warning["level"] == "warning"
    assert warning["consequence"] == "all tokens end with this process"
    assert "JWT_SECRET_KEY" in warning["remedy"]
    assert service.register().status == 201


def test_two_processes_without_a_key_do_not_share_their_tokens(start_service, tmp_path):
    first = start_service(JWT_SECRET_KEY=None)
    second = start_service(JWT_SECRET_KEY=None)
    token = {"refresh_token": first.register().json["refresh_token"]}

    answer = second.request("POST", "/api/v1/auth/refresh", token)

    assert (answer.status, answer.json["code"]) == (401, "TOKEN_INVALID")


# --- What cannot start


def test_a_faulty_environment_ends_with_code_2_and_all_faults_in_one_message(tmp_path):
    faults = refused(
        tmp_path,
        ENVIRONMENT="production",
        JWT_SECRET_KEY="hunter2",
        PORT="hunter2",
        BCRYPT_ROUNDS="4",
    )

    assert [line.split(":")[0] for line in faults] == [
        *("BCRYPT_ROUNDS", "DATABASE_URL", "JWT_SECRET_KEY", "PORT")
    ]
    assert "hunter2" not in "".join(faults)


def test_what_only_building_finds_ends_the_same_way(tmp_path):
    (tmp_path / "users.json").write_text("[]")

    faults = refused(
        tmp_path, SNAPSHOT_FILE="users.json", JWT_SECRET_KEY=SECRET_KEY, LOG_LEVEL="ERROR"
    )

    assert faults == ["SNAPSHOT_FILE: the file is not a snapshot of this service"]


def test_the_commands_refuse_the_same(tmp_path):
    for command in ("serve", "seed"):
        assert refused(tmp_path, "-m", "falcon_auth", command, PORT="x")[0].startswith("PORT: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "hunter2.invalid", "hunter2..x", "192.0.2.1"])
def test_a_port_or_host_that_cannot_be_had_ends_with_code_2(tmp_path, host):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (fault,) = refused(
            tmp_path, HOST=host, PORT=str(port), JWT_SECRET_KEY=SECRET_KEY, LOG_LEVEL="ERROR"
        )

    assert fault.startswith(f"HOST, PORT: cannot listen on port {port} there: ")
    assert "hunter2" not in fault


# --- Ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_log_in_that_is_hashing_gets_its_answer_before_the_end(start_service, number):
    service = start_service(BCRYPT_ROUNDS=SLOW_HASH)
    service.register()

    with hashing_login(service) as connection:
        service.process.send_signal(number)
        answer = read_answer(connection)

    assert answer.status == 200
    assert answer.json["user"]["email"] == EMAIL
    assert service.process.wait(PATIENCE) == 0
    assert "Traceback" not in service.log
    assert [line["event"] for line in service.lines][-1] == "stopped"
    with pytest.raises(ConnectionRefusedError):
        service.request("GET", "/health")


def test_two_hundred_requests_in_the_kernels_queue_are_answered_after_sigterm(start_service):
    """128 once were, and 72 had their connections reset."""
    service = start_service()
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    service.process.send_signal(signal.SIGSTOP)

    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port), PATIENCE))
            for _ in range(200)
        ]
        for client in clients:
            client.sendall(request)
        service.process.send_signal(signal.SIGTERM)
        service.process.send_signal(signal.SIGCONT)
        answers = [client.recv(4096) for client in clients]

    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 200
    assert service.process.wait(PATIENCE) == 0


def test_during_the_delay_readiness_is_off_and_requests_are_answered(start_service):
    service = start_service(SHUTDOWN_DELAY_SECONDS="600")
    service.register()

    service.process.send_signal(signal.SIGTERM)
    assert eventually(lambda: service.events("draining"))

    ready = service.request("GET", "/health/ready")
    assert (ready.status, ready.json["status"]) == (503, "unavailable")
    assert ready.json["checks"]["server"] == {"status": "draining"}
    assert service.request("GET", "/health").status == 200
    login = service.login()
    assert login.status == 200
    assert login.headers["Connection"] == "close"
    assert service.stop() == 0  # A second signal ends the delay.


def test_a_client_that_is_killed_while_its_password_is_hashed_disturbs_nobody(start_service):
    service = start_service(BCRYPT_ROUNDS=SLOW_HASH)
    service.register()

    with hashing_login(service) as connection:
        linger = struct.pack("ii", 1, 0)  # Closing sends a reset, as a killed process's does.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    assert eventually(lambda: depth(service) == 0)
    assert service.login().status == 200
    assert service.stop() == 0
    assert "Traceback" not in service.log
    assert not [line for line in service.lines if line["level"] == "error"]


def test_a_reader_of_the_log_that_goes_away_does_not_affect_clients(start_service):
    """With `python app.py | tee log`, say; each request was once answered 500."""
    wrapper = (
        "import os, sys, runpy\n"
        "reading, writing = os.pipe()\n"
        "os.dup2(writing, 1)\n"
        "os.close(reading)\n"
        f"sys.argv = [{APP!r}]\n"
        f"runpy.run_path({APP!r}, run_name='__main__')\n"
    )
    service = start_service(command=("-c", wrapper))

    assert service.register().status == 201
    assert service.login().status == 200
    assert service.stop() == 0
    assert service.log == "The log cannot be written: Broken pipe\n"


# --- Another server

VALIDATE = """
import io, json, runpy, sys
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator
import app

def call(application, method, path, body=None):
    data = json.dumps(body).encode() if body is not None else b""
    environ = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
               "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(data)}
    if body is not None:
        environ |= {"CONTENT_LENGTH": str(len(data)), "CONTENT_TYPE": "application/json"}
    setup_testing_defaults(environ)
    statuses = []
    result = validator(application)(environ, lambda status, headers, exc_info=None:
                                    statuses.append(status) or (lambda data: None))
    try:
        b"".join(result)
    finally:
        result.close()
    return int(statuses[0].split()[0])

ada = {"email": "ada@example.com", "password": "correct horse battery"}
again = runpy.run_path(app.__file__)["application"]
print(
    call(app.application, "GET", "/health"),
    call(app.application, "HEAD", "/health"),
    call(app.application, "POST", "/api/v1/auth/register", ada),
    call(app.application, "POST", "/api/v1/auth/login", {}),
    call(app.application, "GET", "/protected"),
    call(app.application, "OPTIONS", "/api/v1/auth/login"),
    call(app.application, "DELETE", "/nowhere"),
    again is app.application,
    call(again, "POST", "/api/v1/auth/login", ada),
)
"""


EXPECTED = ["200", "200", "201", "422", "401", "204", "404", "False", "200"]


def test_the_application_is_plain_wsgi_and_may_be_imported_twice(tmp_path):
    """Two applications of one process share the process-wide store."""
    result = run_python(
        "-c",
        VALIDATE,
        cwd=tmp_path,
        LOG_LEVEL="ERROR",
        ENVIRONMENT="testing",
        BCRYPT_ROUNDS="4",
        JWT_SECRET_KEY=SECRET_KEY,
    )

    assert result.stderr == ""
    assert result.stdout.split() == EXPECTED


def threads_of_workers(service):
    """How many threads each worker of a forking server has."""
    master = service.process.pid
    children = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()
    return [len(list(Path(f"/proc/{child}/task").iterdir())) for child in children]


def test_gunicorn_serves_it_with_workers_that_were_forked_after_loading(start_service, sqlite_url):
    service = start_service(
        command=(
            *("-m", "gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:{port}"),
            *("--no-control-socket", "app:application"),
        ),
        DATABASE_URL=sqlite_url,
    )

    def both_keep_house():
        service.request("GET", "/health")
        return threads_of_workers(service) == [3, 3]

    # Nothing was hashed yet: one thread keeps house, and one writes the log.
    assert eventually(both_keep_house)
    for number in range(6):  # Whichever worker gets it.
        assert service.register(f"user{number}@example.com").status == 201
    assert eventually(lambda: service.login("user0@example.com").status == 200)
    assert service.stop() == 0
