"""nginx and Caddy as `deploy/forward-auth/` sets them up, run for real before a made-up service."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from databases import missing
from processes import PASSWORD, PATIENCE, ROOT, UNMEASURED, Answer, eventually, free_port

SAMPLES = ROOT / "deploy" / "forward-auth"
FORGED = {
    "X-Auth-User": "somebody-else",
    "x-auth-email": "eve@example.com",
    "X-Auth-Scope": "admin",
    "X_Auth_User": "somebody-else",
    "X_Auth-Scope": "admin",
}


class Orders(BaseHTTPRequestHandler):
    """A service behind the proxy: it answers what it was told, as a WSGI server reads names."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        names = [name.lower().replace("_", "-") for name in self.headers]
        told = list(zip(names, self.headers.values(), strict=True))
        body = json.dumps({"method": self.command, "path": self.path, "headers": told}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_OPTIONS = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *_arguments):
        """Be quiet."""


@pytest.fixture
def orders():
    with ThreadingHTTPServer(("127.0.0.1", 0), Orders) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join(PATIENCE)


def render(name, replacements):
    text = (SAMPLES / name).read_text()
    for shipped, here in replacements.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    return text


def nginx_command(folder, port, auth, orders):
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        missing("nginx (Debian's package `nginx`)")
    site = folder / "orders.conf"
    site.write_text(
        render(
            "nginx.conf",
            {
                "server 127.0.0.1:8000;": f"server 127.0.0.1:{auth};",
                "listen 80;": f"listen 127.0.0.1:{port};",
                "http://127.0.0.1:9000;": f"http://127.0.0.1:{orders};",
            },
        )
    )
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{each}_temp_path {folder}/{each};\n" for each in paths)
    user = "user root;\n" if os.geteuid() == 0 else ""  # Another one may not enter the folder.
    main = folder / "nginx.conf"
    main.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr warn;\n"
        f"events {{}}\nhttp {{\n{temporary}access_log off;\ninclude {site};\n}}\n"
    )
    return [program, "-p", str(folder), "-e", "stderr", "-c", str(main)]


def caddy_command(folder, port, auth, orders):
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("caddy is not installed (Debian's package `caddy`)")
    file = folder / "Caddyfile"
    file.write_text(
        "{\n\tadmin off\n\tauto_https off\n}\n"
        + render(
            "Caddyfile",
            {
                "orders.example.com {": f"http://127.0.0.1:{port} {{",
                "forward_auth 127.0.0.1:8000": f"forward_auth 127.0.0.1:{auth}",
                "reverse_proxy 127.0.0.1:9000": f"reverse_proxy 127.0.0.1:{orders}",
            },
        )
    )
    return [program, "run", "--config", str(file), "--adapter", "caddyfile"]


COMMANDS = {"nginx": nginx_command, "caddy": caddy_command}


class Proxy:
    """A proxy that runs, and the service that it asks."""

    def __init__(self, port, service):
        self.port, self.service = port, service

    def request(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            content = response.read()  # nginx's own pages are HTML.
            is_json = "json" in response.headers.get("Content-Type", "")
            return Answer(
                response.status, response.headers, json.loads(content) if is_json else None
            )

    def is_up(self):
        try:
            return self.request("GET", "/").status == 401
        except OSError:
            return False


@pytest.fixture(params=COMMANDS)
def proxy(request, tmp_path, start_service, orders):
    port, service = free_port(), start_service(**UNMEASURED)
    command = COMMANDS[request.param](tmp_path, port, service.port, orders)
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    with (tmp_path / "proxy.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | home, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        running = Proxy(port, service)
        assert eventually(running.is_up), (tmp_path / "proxy.log").read_text()
        yield running
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def told(answer):
    """What the service was told of the user: by name, every value that came."""
    found = {}
    for name, value in answer.json["headers"]:
        if name.startswith("x-auth"):
            found.setdefault(name, []).append(value)
    return found


def test_the_user_reaches_the_service_and_cannot_be_forged(proxy):
    user = {"email": "\u00e4da@example.com", "password": PASSWORD}
    registered = proxy.service.request("POST", "/api/v1/auth/register", user).json
    bearer = {"Authorization": f"Bearer {registered['access_token']}"}

    for method, body in (("GET", None), ("POST", b"{"), ("DELETE", None)):
        answer = proxy.request(method, "/orders?a=b", FORGED | bearer, body)

        assert (answer.status, answer.json["method"]) == (200, method)
        assert answer.json["path"] == "/orders?a=b"
        said = told(answer)
        assert said.pop("x-auth-scope", [""]) == [""]
        assert said == {
            "x-auth-user": [registered["user"]["id"]],
            "x-auth-email": ["%C3%A4da@example.com"],
        }


def test_nobody_passes_without_a_token_that_lives(proxy):
    user = {"email": "ada@example.com", "password": PASSWORD}
    registered = proxy.service.request("POST", "/api/v1/auth/register", user).json
    bearer = {"Authorization": f"Bearer {registered['access_token']}"}
    assert proxy.request("GET", "/orders", bearer).status == 200
    spent = {"refresh_token": registered["refresh_token"]}
    assert proxy.service.request("POST", "/api/v1/auth/logout", spent).status == 204

    for headers in ({}, FORGED, bearer, {"Authorization": "Bearer x"}):
        answer = proxy.request("GET", "/orders", headers)

        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")
    preflight = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    assert proxy.request("OPTIONS", "/orders", preflight).status == 401


def test_nobody_passes_while_the_service_is_away(proxy):
    assert proxy.service.stop() == 0

    assert proxy.request("GET", "/orders", {"Authorization": "Bearer x"}).status in {500, 502}


@pytest.mark.parametrize("name", ["traefik.yml", "envoy.yaml"])
def test_the_samples_that_no_test_runs_are_well_formed(name):
    text = (SAMPLES / name).read_text()

    assert yaml.safe_load(text)
    for header in ("x-auth-user", "x-auth-email", "x-auth-scope"):
        assert header in text.lower()
    assert "/api/v1/auth/check" in text
