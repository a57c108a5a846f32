"""CORS as the Fetch standard has it; `test_cors_in_a_browser.py` asks a browser."""

import pytest
from conftest import settings_for
from falcon import testing
from pydantic import ValidationError

from falcon_auth.settings import Settings

ORIGIN = "https://app.example.com"
PRODUCTION = {"environment": "production", "bcrypt_rounds": 12, "database_url": "memory:"}


@pytest.fixture
def listed(make_client):
    return make_client(cors_origins=(ORIGIN, "http://localhost:3000"))


def preflight(client, path, method="POST", origin=ORIGIN, headers="authorization,content-type"):
    return client.simulate_options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
        },
    )


def cors_headers(answer):
    return {name for name in map(str.lower, answer.headers) if name.startswith("access-control")}


def test_a_listed_origin_may_read_an_answer_and_its_headers(listed):
    answer = listed.simulate_get("/health", headers={"Origin": ORIGIN})

    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Expose-Headers"] == (
        "Retry-After, WWW-Authenticate, X-Request-ID"
    )
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "null",  # A sandboxed frame, a file, a redirect.
        "https://app.example.com.evil.example",
        "https://evil.example/https://app.example.com",
        "https://evilapp.example.com",
        "https://sub.app.example.com",
        "https://app-example.com",
        "https://app.example.co",
        "http://app.example.com",
        "https://app.example.com:443",
        "https://app.example.com:8443",
        "https://app.example.com/",
        "https://APP.example.com",
        "https://app.example.com, https://evil.example",
        "https://app.example.com https://evil.example",
        "http://localhost",
        "http://127.0.0.1:3000",
        "*",
        "",
    ],
)
def test_no_other_origin_may_read_anything(listed, origin):
    """Compared whole: neither prefix nor suffix, case, port or scheme makes a look-alike pass."""
    for answer in (
        listed.simulate_get("/health", headers={"Origin": origin}),
        listed.simulate_get("/nowhere", headers={"Origin": origin}),
        preflight(listed, "/api/v1/auth/login", origin=origin),
    ):
        assert cors_headers(answer) == set()
        assert answer.headers["Vary"] == "Origin"


def test_a_preflight_of_a_guarded_resource_passes_without_a_token(listed):
    answer = preflight(listed, "/api/v1/auth/password", "PUT")

    assert answer.status_code == 204
    assert answer.text == ""
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS, PUT"
    assert answer.headers["Access-Control-Allow-Headers"] == (
        "Authorization, Content-Type, X-Request-ID, traceparent, tracestate, baggage"
    )
    assert answer.headers["Access-Control-Max-Age"] == "600"


def test_a_preflight_has_the_headers_of_every_response_and_a_log_line(listed, logged):
    answer = preflight(listed, "/api/v1/auth/login")

    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    (line,) = logged.events("request")
    assert (line["method"], line["status"]) == ("OPTIONS", 204)
    assert line["request_id"] == answer.headers["X-Request-ID"]


class Strict:
    """Answers OPTIONS itself, and is guarded."""

    def __init__(self):
        self.calls = 0

    def on_options(self, req, resp):
        self.calls += 1

    def on_get(self, req, resp):
        self.calls += 1


def test_a_preflight_reaches_neither_guard_nor_resource(listed):
    """A resource with OPTIONS of its own is guarded, and browsers send no token ahead."""
    resource = Strict()
    listed.app.add_route("/strict", resource)

    assert preflight(listed, "/strict", "GET").status_code == 204
    assert listed.simulate_options("/strict").status_code == 401
    assert preflight(listed, "/strict", "GET", origin="https://evil.example").status_code == 401
    assert resource.calls == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "put", "\tPOST"])
def test_a_preflight_lists_what_there_is_whatever_is_asked_for(listed, method):
    """Echoing method and headers would allow everything."""
    answer = preflight(listed, "/api/v1/auth/login", method, headers="x-evil, cookie")

    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS, POST"
    assert "evil" not in str(answer.headers).lower()
    assert "cookie" not in str(answer.headers).lower()


def test_a_preflight_of_an_unknown_path_is_refused(listed):
    answer = preflight(listed, "/nowhere")

    assert answer.status_code == 404
    assert answer.json["code"] == "NOT_FOUND"
    assert "Access-Control-Allow-Methods" not in answer.headers


def test_options_without_the_marks_of_a_preflight_is_plain_options(listed):
    answer = listed.simulate_options("/login", headers={"Origin": ORIGIN})

    assert answer.status_code == 204
    assert "Access-Control-Allow-Methods" not in answer.headers


class Broken:
    """Raises what nobody expects."""

    def on_get(self, req, resp):
        raise RuntimeError


def test_errors_can_be_read_too(make_client):
    """Else a page could not tell a wrong password from a network that is down."""
    client = make_client(cors_origins=(ORIGIN,), rate_limit_requests=1)
    user = client.register()
    client.app.add_route("/broken", Broken())
    origin = {"Origin": ORIGIN}

    answers = {
        401: client.simulate_get("/protected", headers=origin),
        404: client.simulate_get("/nowhere", headers=origin),
        405: client.simulate_get("/login", headers=origin),
        415: client.simulate_post("/login", body="{}", headers=origin),
        422: client.post("/login", {}, headers=origin),
        500: client.as_user("GET", "/broken", user, headers=origin),
    }
    client.login(password="a wrong one, once", headers=origin)
    answers[429] = client.login(password="a wrong one, twice", headers=origin)

    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Vary"] == "Origin"
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_a_listed_origin_may_have_cookies_sent(listed):
    """And no other origin: `test_no_other_origin_may_read_anything`."""
    answers = [
        listed.simulate_get("/health", headers={"Origin": ORIGIN, "Cookie": "a=b"}),
        preflight(listed, "/login"),
    ]

    for answer in answers:
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_a_star_lets_nobody_have_cookies_sent(make_client):
    client = make_client(cors_origins=("*",))

    for answer in (
        client.simulate_get("/health", headers={"Origin": ORIGIN, "Cookie": "a=b"}),
        preflight(client, "/login"),
    ):
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_an_unlisted_origin_changes_nothing_by_a_simple_request(listed, logged):
    """Forms and plain text need no preflight: their bodies are refused unread."""
    body = '{"email": "eve@example.com", "password": "correct horse battery"}'
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        headers = {"Origin": "https://evil.example"} | ({"Content-Type": media} if media else {})

        answer = listed.simulate_post("/api/v1/auth/register", body=body, headers=headers)

        assert answer.status_code == 415
    assert logged.events("user_registered") == []


def test_without_cors_origins_there_are_no_cors_headers(make_client):
    client = make_client(cors_origins=())

    answer = preflight(client, "/login")

    assert answer.status_code == 204
    assert cors_headers(answer) == set()
    assert "Vary" not in answer.headers


def test_a_star_allows_every_origin_without_naming_it(make_client):
    client = make_client(cors_origins=("*",))

    for origin in (ORIGIN, "null"):
        answer = client.simulate_get("/health", headers={"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("values", "origins"),
    [
        ({"environment": "development"}, ("http://localhost:3000", "http://localhost:8000")),
        ({"environment": "testing"}, ()),
        (PRODUCTION, ()),
        (PRODUCTION | {"cors_origins": ORIGIN}, (ORIGIN,)),
        ({"environment": "development", "cors_origins": ()}, ()),
    ],
)
def test_each_environment_has_its_preset(values, origins):
    assert settings_for(**values).allowed_origins == origins


@pytest.mark.parametrize("origins", ["*", f"{ORIGIN},*", '["*"]'])
def test_a_star_is_refused_in_production(origins):
    with pytest.raises(ValidationError, match="CORS_ORIGINS"):
        settings_for(**PRODUCTION, cors_origins=origins)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "app.example.com",
        "https://",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com?query",
        "https://user@app.example.com",
        "https://APP.example.com",
        "HTTPS://app.example.com",
        "https://*.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://app.example.com:0",
        "https://app.example.com:",
        "https://b\u00fccher.example",
        "ftp://app.example.com",
        "https://app.example.com\n",
    ],
)
def test_an_origin_that_no_browser_would_send_is_refused_at_the_start(origin):
    """It would never be equal to one: better said at the start than found out by users."""
    with pytest.raises(ValidationError, match="as browsers do"):
        Settings(_env_file=None, cors_origins=(origin,))


@pytest.mark.parametrize(
    "origin", ["https://xn--bcher-kva.example", "http://[::1]:3000", "http://a.example:443"]
)
def test_unusual_origins_are_accepted(make_client, origin):
    client = make_client(cors_origins=(origin,))

    answer = client.simulate_get("/health", headers={"Origin": origin})

    assert answer.headers["Access-Control-Allow-Origin"] == origin


def test_a_pseudo_method_of_the_framework_gets_an_answer_like_any_other(listed):
    """Falcon turns WEBSOCKET down before any middleware: there was no id, and no answer."""
    seen = []
    environ = testing.create_environ(path="/login", method="WEBSOCKET", headers={"Origin": ORIGIN})

    listed.app(environ, lambda status, headers, _=None: seen.append((status, dict(headers))))

    ((status, headers),) = seen
    assert status.startswith("405")
    assert headers["allow"] == "OPTIONS, POST"
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["x-request-id"]
