"""Published bodies and strings against the service: refused or taken, but never a fault."""

import base64
import json
import socket
from http.client import HTTPResponse
from urllib.parse import quote

import pytest
from conftest import EMAIL, PASSWORD, Client, outcome, settings_for
from processes import UNMEASURED
from vectors import load, naughty_strings, needs_vectors

from falcon_auth.service import create_app
from falcon_auth.stores.memory.store import MemoryStore

pytestmark = needs_vectors

LOGIN = "/api/v1/auth/login"
JSON = {"Content-Type": "application/json"}
PATIENCE = 10.0  # Seconds for an answer.
SHORTEST_TELLING = 6  # Shorter strings are in any answer,
SHORTEST_SECRET = 10  # and those shorter than this in any log (`undefined` is a word of it).
MAX_BODY_BYTES = 16 * 1024
SHORT = "kT9vq2Zw"  # Takes little time to be judged.
HEADERS = [
    "Accept",
    "Authorization",
    "Content-Type",
    "Cookie",
    "If-None-Match",
    "Origin",
    "User-Agent",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Request-ID",
]


def as_header(text):
    """Return a text as WSGI has it: its UTF-8 bytes, shown as Latin-1 (PEP 3333)."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


@pytest.fixture
def open_client(make_client):
    """A client that no limit stops."""
    return make_client(rate_limit_enabled=False, trusted_proxies=["127.0.0.1"])


@pytest.fixture(scope="module")
def any_client():
    """A client of one service for all tests that leave nothing in it."""
    app = create_app(settings_for(rate_limit_enabled=False), store=MemoryStore())
    yield Client(app)
    app.service.close()


@pytest.mark.parametrize("row", load("jsontestsuite_parsing.json"), ids=lambda row: row["name"])
def test_bodies_of_the_json_test_suite(any_client, row):
    body = base64.b64decode(row["b64"])

    answer = any_client.simulate_post(LOGIN, body=body, headers=JSON)

    malformed, invalid = (400, "MALFORMED_JSON"), (422, "VALIDATION_FAILED")
    wanted = {"reject": {malformed}, "accept": {invalid}, "either": {malformed, invalid}}
    if len(body) > MAX_BODY_BYTES:
        assert outcome(answer) == (413, "PAYLOAD_TOO_LARGE")
    elif "duplicated_key" in row["name"]:  # RFC 8259 leaves it open; the contract refuses it.
        assert outcome(answer) == malformed
    else:
        assert outcome(answer) in wanted[row["expect"]]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/v1/auth/register", {"email": EMAIL, "password": SHORT, "username": "ada"}),
        (LOGIN, {"email": EMAIL, "password": SHORT}),
        ("/api/v1/auth/refresh", {"refresh_token": "x"}),
        ("/api/v1/auth/logout", {"refresh_token": "x"}),
        ("/api/v1/auth/password", {"current_password": PASSWORD, "new_password": SHORT}),
    ],
)
def test_naughty_strings_in_every_field(open_client, path, fields, logged):
    open_client.register("eve@example.com")
    eve = open_client.login("eve@example.com")
    method = "PUT" if path.endswith("password") else "POST"
    for text in naughty_strings():
        for name in [*fields, "unknown"]:
            body = json.dumps({**fields, name: text})
            if len(body) > MAX_BODY_BYTES:
                continue

            answer = open_client.as_user(method, path, eve, headers=JSON, body=body)

            assert answer.status_code < 500, (name, text)
            if answer.status_code >= 400 and len(text) >= SHORTEST_TELLING:
                assert json.dumps(text)[1:-1] not in answer.text, (name, text)
    assert not logged.events("internal_error")
    told = [text for text in naughty_strings() if json.dumps(text)[1:-1] in logged.text]
    assert max(map(len, told), default=0) < SHORTEST_SECRET, told


def test_naughty_passwords_that_are_taken_log_in(open_client):
    taken = 0
    for number, text in enumerate(naughty_strings()):
        email = f"user{number}@example.com"
        answer = open_client.register(email, text)
        if answer.status_code == 201:
            taken += 1
            assert open_client.login(email, text).status_code == 200, text
            assert outcome(open_client.login(email, text + "x")) == (401, "INVALID_CREDENTIALS")
        elif answer.status_code != 413:
            assert answer.json["errors"][0]["pointer"] == "/password", text
    assert taken > 100


def test_naughty_members_are_named_and_refused(open_client, logged):
    for text in naughty_strings():
        body = json.dumps({"email": EMAIL, "password": PASSWORD, text: 1})
        if len(body) <= MAX_BODY_BYTES:
            answer = open_client.simulate_post(LOGIN, body=body, headers=JSON)
            assert outcome(answer) == (422, "VALIDATION_FAILED"), text
            pointer = text.replace("~", "~0").replace("/", "~1")
            assert answer.json["errors"][0]["pointer"] == f"/{pointer}"
    assert not logged.events("internal_error")


@pytest.mark.parametrize("path", ["/protected", "/schemas/login.json"])
def test_naughty_strings_in_every_header(open_client, path, logged):
    """In all of them at once: each is read whatever the others say."""
    for text in naughty_strings():
        headers = dict.fromkeys(HEADERS, as_header(text))
        answer = open_client.simulate_get(path, headers=headers)

        assert answer.status_code in {200, 304, 401}, text
    assert not logged.events("internal_error")


def test_naughty_strings_as_tokens(open_client, logged):
    for text in naughty_strings():
        bearer = {"Authorization": as_header(f"Bearer {text}")}
        assert open_client.simulate_get("/protected", headers=bearer).status_code == 401, text
    assert not logged.events("internal_error")


@pytest.mark.parametrize(
    "template",
    ["/{}", "/schemas/{}", "/docs/{}", "/api/v1/auth/{}", "/health?{}", "/protected?a={}"],
)
def test_naughty_strings_in_path_and_query(open_client, template, logged):
    for text in naughty_strings():
        written = quote(text.encode("utf-8", "surrogatepass"), safe="")
        answer = open_client.simulate_get(template.format(written))

        assert answer.status_code in {200, 303, 401, 404, 405}, text
    assert not logged.events("internal_error")


def test_naughty_session_ids_are_not_found(open_client, logged):
    user = open_client.register()
    for text in naughty_strings():
        written = quote(text.encode("utf-8", "surrogatepass"), safe="")
        path = f"/api/v1/auth/sessions/{written}"
        if written not in {"", "."}:
            assert outcome(open_client.as_user("DELETE", path, user)) in {
                (404, "NOT_FOUND"),
                (405, "METHOD_NOT_ALLOWED"),
            }, text
    assert not logged.events("internal_error")


def test_naughty_bytes_on_the_wire(start_service):
    """Raw, past every client's own scruples; waitress may refuse them in its own plain text."""
    service = start_service(RATE_LIMIT_ENABLED="false", VALIDATE_RESPONSES="true", **UNMEASURED)
    requests = [
        b"GET /%s HTTP/1.1\r\n\r\n",
        b"GET /schemas/%s HTTP/1.1\r\n\r\n",
        b"GET /health?%s HTTP/1.1\r\n\r\n",
        b"GET /protected HTTP/1.1\r\nAuthorization: Bearer %s\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX-Request-ID: %s\r\n\r\n",
        b"GET /health HTTP/1.1\r\n%s: x\r\n\r\n",
        b"%s /health HTTP/1.1\r\n\r\n",
    ]
    for text in naughty_strings():
        raw = text.encode("utf-8", "surrogatepass")
        for request in requests:
            status, headers = send_raw(service.port, request.replace(b"%s", raw))
            assert status in {200, 303, 400, 401, 404, 405, 431, 501}, (request, text)
            assert "X-Injected" not in headers

    assert not service.events("internal_error")
    assert not service.events("response_breaks_contract")
    assert service.request("GET", "/health").status == 200


def send_raw(port, data):
    """Send bytes; return the status and the headers of the first answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        response = HTTPResponse(connection)
        response.begin()
        return response.status, dict(response.getheaders())
