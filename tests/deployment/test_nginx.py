"""nginx as `deploy/nginx.conf` sets it up, run for real, with two service processes behind it."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import ipaddress
import json
import os
import shutil
import signal
import ssl
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from databases import missing
from processes import (
    PASSWORD,
    PATIENCE,
    ROOT,
    UNMEASURED,
    eventually,
    free_port,
    read_answer,
    service_starter,
)

CLIENT = "127.0.0.2"  # Another one than nginx's own, which the service trusts.
HSTS = "Strict-Transport-Security"
REGISTER, LOGIN = "/api/v1/auth/register", "/api/v1/auth/login"


class Nginx:
    """The proxy and what is behind it; requests come from CLIENT."""

    def __init__(self, services, https_port, http_port, certificate):
        self.services = services
        self.ports = {"https": https_port, "http": http_port}
        self._tls = ssl.create_default_context(cafile=certificate)

    def connect(self, scheme="https"):
        more = {"timeout": PATIENCE, "source_address": (CLIENT, 0)}
        if scheme == "https":
            return http.client.HTTPSConnection(
                "127.0.0.1", self.ports["https"], context=self._tls, **more
            )
        return http.client.HTTPConnection("127.0.0.1", self.ports["http"], **more)

    def request(self, method, path, body=None, headers=None, scheme="https"):
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(self.connect(scheme)) as connection:
            connection.request(method, path, body, sent)
            return read_answer(connection)

    def is_ready(self):
        try:
            return self.request("GET", "/health").status == 200
        except OSError:
            return False


def write_certificate(folder):
    """A throw-away certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


def render(replacements):
    """The shipped file with paths and ports replaced, each of which it has to have."""
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for shipped, here in replacements.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    return text


def write_configuration(folder, services, https_port, http_port):
    certificate, key = write_certificate(folder)
    site = folder / "falcon-auth.conf"
    site.write_text(
        render(
            {
                "server 127.0.0.1:8000 ": f"server 127.0.0.1:{services[0].port} ",
                "server 127.0.0.1:8001 ": f"server 127.0.0.1:{services[1].port} ",
                "listen 80;": f"listen 127.0.0.1:{http_port};",
                "listen 443 ": f"listen 127.0.0.1:{https_port} ",
                "/etc/ssl/falcon-auth/fullchain.pem": str(certificate),
                "/etc/ssl/falcon-auth/privkey.pem": str(key),
            }
        )
    )
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{each}_temp_path {folder}/{each};\n" for each in paths)
    # As root it would change to another user, who may not enter the folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    main = folder / "nginx.conf"
    main.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr warn;\n"
        f"events {{}}\nhttp {{\n{temporary}access_log {folder}/access.log;\ninclude {site};\n}}\n"
    )
    return main, certificate


@pytest.fixture
def nginx(tmp_path, sqlite_url):
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        missing("nginx (Debian's package `nginx`)")
    https_port, http_port = free_port(), free_port()
    with service_starter(tmp_path) as start:
        settings = {"DATABASE_URL": sqlite_url, "TRUSTED_PROXIES": "127.0.0.1"} | UNMEASURED
        services = [start(**settings) for _ in range(2)]
        main, certificate = write_configuration(tmp_path, services, https_port, http_port)
        with (tmp_path / "nginx.log").open("wb") as log:
            process = subprocess.Popen(
                [program, "-p", str(tmp_path), "-e", "stderr", "-c", str(main)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            proxy = Nginx(services, https_port, http_port, certificate)
            assert eventually(proxy.is_ready), (tmp_path / "nginx.log").read_text()
            yield proxy
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0


def bearer(answer):
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def test_what_a_client_sees_through_nginx(nginx):
    """One start for many claims: it takes seconds."""
    user = {"email": "ada@example.com", "password": PASSWORD}
    forged = {"X-Forwarded-For": "203.0.113.9, 127.0.0.1", "X-Forwarded-Proto": "http"}

    refused = nginx.request("POST", REGISTER, user, scheme="http")
    registered = nginx.request("POST", REGISTER, user, headers=forged)

    # In the clear nothing is done, nor redirected.
    assert (refused.status, refused.json["code"]) == (403, "HTTPS_REQUIRED")
    assert "Location" not in refused.headers
    # Https is seen, and the client's own word on it is not taken.
    assert registered.status == 201
    assert registered.headers[HSTS].startswith("max-age=")
    # The client's address is the connection's, not one that it makes up.
    (session,) = nginx.request(
        "GET", "/api/v1/auth/sessions", headers=forged | bearer(registered)
    ).json["sessions"]
    assert session["ip"] == CLIENT

    # Whoever reaches a process without nginx is believed nothing either.
    direct = http.client.HTTPConnection(
        "127.0.0.1", nginx.services[0].port, timeout=PATIENCE, source_address=(CLIENT, 0)
    )
    with contextlib.closing(direct):
        direct.request("GET", "/health", headers={"X-Forwarded-Proto": "https"})
        assert HSTS not in read_answer(direct).headers

    # Bodies: up to 64 KiB the service answers, above that nginx, in the same words.
    for size, has_request_id in ((17 * 1024, True), (65 * 1024, False)):
        large = nginx.request("POST", LOGIN, b"x" * size)
        assert (large.status, large.json["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert large.headers["Content-Type"] == "application/problem+json"
        assert ("request_id" in large.json) == has_request_id

    assert nginx.request("GET", "/metrics").json["code"] == "NOT_FOUND"
    assert nginx.request("GET", "/health").headers["Server"] == "nginx"  # And no version.


def test_one_process_dies_and_nobody_notices(nginx):
    user = {"email": "ada@example.com", "password": PASSWORD}
    tokens = nginx.request("POST", REGISTER, user)
    first, second = nginx.services
    for _ in range(4):  # So that connections to both are open.
        assert nginx.request("GET", "/protected", headers=bearer(tokens)).status == 200
    assert all(service.awaited("request") for service in nginx.services)

    first.stop(signal.SIGKILL)

    for _ in range(5):
        assert nginx.request("GET", "/protected", headers=bearer(tokens)).status == 200
        assert nginx.request("POST", LOGIN, user).status == 200

    second.stop(signal.SIGKILL)

    answer = nginx.request("POST", LOGIN, user)
    assert (answer.status, answer.json["code"]) == (503, "UNAVAILABLE")
    assert answer.headers["Retry-After"] == "5"
