"""The guard: nothing is open that does not say so, whatever an application adds."""

import re

import pytest
from conftest import EMAIL, PASSWORD, outcome

from falcon_auth.api.guard import public


class Notes:
    """An application's own resource; nothing here mentions authentication."""

    def on_get(self, req, resp):
        resp.media = {"notes of": req.context.caller.user.email}

    def on_get_recent(self, req, resp):
        resp.media = {"recent notes of": req.context.caller.user.email}

    def on_options(self, req, resp):
        resp.media = {"secret": 1}


@public
class Open:
    def on_get(self, req, resp):
        resp.media = {"caller": req.context.caller}


class Inheriting(Open):
    """Made from a public one, but does not say so itself."""


def test_an_added_resource_is_guarded_with_the_caller_at_hand(client, user):
    client.app.add_route("/notes", Notes())

    assert outcome(client.simulate_get("/notes")) == (401, "MISSING_TOKEN")
    assert client.as_user("GET", "/notes", user).json == {"notes of": EMAIL}


def test_responders_with_a_suffix_are_guarded_too(client, user):
    client.app.add_route("/notes/recent", Notes(), suffix="recent")

    assert outcome(client.simulate_get("/notes/recent")) == (401, "MISSING_TOKEN")
    assert client.as_user("GET", "/notes/recent", user).json == {"recent notes of": EMAIL}


def test_only_a_class_that_says_so_is_open(client):
    client.app.add_route("/open", Open())
    client.app.add_route("/inheriting", Inheriting())

    assert client.simulate_get("/open").json == {"caller": None}
    assert outcome(client.simulate_get("/inheriting")) == (401, "MISSING_TOKEN")


def test_a_head_request_is_guarded_as_get_is(client, user):
    client.app.add_route("/notes", Notes())

    assert client.simulate_head("/notes").status_code == 401
    answer = client.as_user("HEAD", "/notes", user)
    assert (answer.status_code, answer.content) == (200, b"")


class Sized(Notes):
    def on_head(self, req, resp):
        resp.set_header("X-Size", "12")


def test_an_on_head_of_ones_own_is_called_and_guarded(client, user):
    client.app.add_route("/sized", Sized())

    assert "X-Size" not in client.simulate_head("/sized").headers
    answer = client.as_user("HEAD", "/sized", user)
    assert (answer.status_code, answer.headers["X-Size"], answer.content) == (200, "12", b"")
    assert "X-Size" not in client.as_user("GET", "/sized", user).headers


def test_on_head_with_a_suffix_is_called_too(client, user):
    class Suffixed(Notes):
        def on_head_recent(self, req, resp):
            resp.set_header("X-Size", "9")

    client.app.add_route("/notes/recent", Suffixed(), suffix="recent")

    assert client.as_user("HEAD", "/notes/recent", user).headers["X-Size"] == "9"


def test_a_head_request_is_logged_and_counted_as_one(client, logged):
    client.simulate_head("/health")

    assert logged.events("request")[-1]["method"] == "HEAD"


def test_an_options_responder_of_ones_own_is_guarded(client):
    client.app.add_route("/notes", Notes())

    assert outcome(client.simulate_options("/notes")) == (401, "MISSING_TOKEN")


def test_what_falcon_answers_by_itself_passes(client):
    answer = client.simulate_options("/protected")

    assert answer.status_code == 204
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["__len__", "__bool__"])
def test_a_resource_that_can_be_false_is_refused(client, method):
    """Falcon asks `if resource:` before it runs the middleware: an empty list would be open."""
    kind = type("Falsy", (Notes,), {method: lambda self: 0})

    with pytest.raises(TypeError, match="can be false"):
        client.app.add_route("/falsy", kind())


def test_sinks_and_static_routes_are_refused(client):
    """Falcon runs no middleware for resources before either of them."""
    with pytest.raises(TypeError, match="guard"):
        client.app.add_sink(lambda req, resp: None, "/sink")
    with pytest.raises(TypeError, match="guard"):
        client.app.add_static_route("/files", "/")


def test_the_caller_says_what_a_verified_tokens_claims_say(client, user):
    """So a guarded resource can run here, and in another service behind a verifier."""

    class Whoami:
        def on_get(self, req, resp):
            caller = req.context.caller
            resp.media = [caller.email, caller.user_id, caller.session_id]

    client.app.add_route("/whoami", Whoami())

    session = client.sessions(user)[0]["id"]
    expected = [EMAIL, user.json["user"]["id"], session]
    assert client.as_user("GET", "/whoami", user).json == expected


def test_every_route_of_the_service_is_guarded_unless_listed_here(mailing):
    client = mailing()
    """A new public resource must be written down in this test."""
    open_routes = {
        "/",
        "/api/v1/auth/register",
        "/api/v1/auth/login",
        "/api/v1/auth/login/factor",
        "/api/v1/auth/login/factor/options",
        "/api/v1/auth/passkey/options",
        "/api/v1/auth/passkey/login",
        "/api/v1/auth/refresh",
        "/api/v1/auth/logout",
        "/register",
        "/login",
        "/refresh",
        "/api/auth/register",
        "/api/auth/login",
        "/api/auth/refresh",
        "/health",
        "/health/ready",
        "/metrics",
        "/api/v1/auth/introspect",  # Asks for a service's credential.
        "/api/v1/auth/revoke",
        "/.well-known/jwks.json",
        "/openapi.json",
        "/schemas/{name}",
        "/docs",
        "/docs/{name}",
        "/api/v1/auth/password/reset",
        "/api/v1/auth/password/forgot",
        "/api/v1/auth/email/verify",
        "/api/v1/auth/email/change/confirm",
    }
    for template, methods in client.app.methods.items():
        for method in methods - {"OPTIONS"}:
            path = re.sub(r"\{\w+\}", "x", template)
            answer = client.simulate_request(method, path)
            guarded = outcome(answer) == (401, "MISSING_TOKEN")
            assert guarded == (template not in open_routes), (method, template)


@pytest.mark.parametrize("path", ["/register", "/api/auth/register"])
def test_other_paths_register(client, path):
    body = {"email": EMAIL, "password": PASSWORD}

    assert client.post(path, body).status_code == 201


@pytest.mark.parametrize("prefix", ["", "/api/auth"])
def test_other_paths_log_in_and_refresh(client, user, prefix):
    body = {"email": EMAIL, "password": PASSWORD}
    tokens = client.post(f"{prefix}/login", body)

    assert tokens.status_code == 200
    refreshed = client.post(f"{prefix}/refresh", {"refresh_token": tokens.json["refresh_token"]})
    assert refreshed.status_code == 200
    assert client.as_user("GET", "/api/user/profile", refreshed).json["email"] == EMAIL
