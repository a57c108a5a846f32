"""`/api/v1/auth/check`: what a reverse proxy asks about a request to another service."""

from types import SimpleNamespace
from urllib.parse import unquote

import falcon
import pytest
from conftest import outcome
from falcon import testing

from falcon_auth.api.resources.forward_auth import Check

CHECK = "/api/v1/auth/check"
METHODS = [
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"),
    *("PROPFIND", "WEBSOCKET", "BREW", "get"),
]


def test_a_good_token_passes_and_says_who_sends_it(client, user):
    answer = client.as_user("GET", CHECK, user)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["X-Auth-User"] == user.json["user"]["id"]
    assert answer.headers["X-Auth-Email"] == user.json["user"]["email"]
    assert answer.headers["X-Auth-Scope"] == ""
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")  # wsgiref's list is short.
@pytest.mark.parametrize("path", [CHECK, f"{CHECK}/", f"{CHECK}/orders", f"{CHECK}/a/b/c.html"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_answered_alike_and_none_passes_without_a_token(client, user, method, path):
    assert client.as_user(method, path, user).status_code == 204

    refused = client.simulate_request(method, path)

    assert refused.status_code == 401
    assert "X-Auth-User" not in refused.headers


@pytest.mark.parametrize("origins", [(), ("https://app.example",), ("*",)])
def test_a_preflight_does_not_bypass_the_guard(make_client, origins):
    """Envoy hands the client's own method over; a 2xx lets the request through."""
    client = make_client(cors_origins=origins)
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}

    answer = client.simulate_options(CHECK, headers=headers)

    assert outcome(answer) == (401, "MISSING_TOKEN")


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "x", None])
def test_a_body_of_any_type_is_ignored(client, user, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}

    answer = client.as_user("POST", CHECK, user, headers=headers, body=b"\xff{" * 9000)

    assert answer.status_code == 204


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("scope=orders:read", "orders:read"),
        ("scope=b+a", "a b"),
        ("scope=a&scope=b%20a", "a b"),
        ("scope=a%22%0d%0aX:+%C3%A4+b", "b"),
    ],
)
def test_a_scope_that_the_user_lacks_is_403_and_named(client, user, query, named):
    answer = client.as_user("GET", f"{CHECK}/orders", user, query_string=query)

    assert outcome(answer) == (403, "INSUFFICIENT_SCOPE")
    challenge = f'Bearer realm="falcon-auth", error="insufficient_scope", scope="{named}"'
    assert answer.headers["WWW-Authenticate"] == challenge
    assert "X-Auth-User" not in answer.headers


def test_no_scope_asked_for_is_none_lacking(client, user):
    for query in ("", "scope=", "scope=+", "other=x"):
        assert client.as_user("GET", CHECK, user, query_string=query).status_code == 204


def test_a_user_with_the_scopes_passes():
    caller = SimpleNamespace(
        user_id="6f1c", email="ada@example.com", scopes=frozenset({"b", "a", "c"})
    )
    app = falcon.App(middleware=[Known(caller)])
    app.add_route("/check", Asked())

    answer = testing.TestClient(app).simulate_get("/check", query_string="scope=a+b")

    assert answer.status_code == 204
    assert answer.headers["X-Auth-Scope"] == "a b c"


class Known:
    """A guard that has found out who asks."""

    def __init__(self, caller):
        self.caller = caller

    def process_resource(self, req, resp, resource, params):
        req.context.caller = self.caller


class Asked:
    """The resource, in an application whose router knows only named methods."""

    def on_get(self, req, resp):
        Check().on_any(req, resp)


@pytest.mark.parametrize(
    ("email", "header"),
    [
        ("ada+notes@example.com", "ada+notes@example.com"),
        ("\u00e4da@example.com", "%C3%A4da@example.com"),
        ("%C3%A4da@example.com", "%25C3%25A4da@example.com"),
    ],
)
def test_an_address_is_ascii_and_never_looks_like_another_one(client, email, header):
    """`%` is encoded as well: one user's address must not decode to another's."""
    user = client.register(email)

    said = client.as_user("GET", CHECK, user).headers["X-Auth-Email"]

    assert said == header
    assert unquote(said) == email


def test_an_ended_session_does_not_pass(client, user):
    client.logout(user)

    assert outcome(client.as_user("GET", CHECK, user)) == (401, "TOKEN_REVOKED")
