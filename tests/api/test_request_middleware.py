"""What every request and response share: ids, headers, the log line, HEAD."""

import re

import pytest
from conftest import EMAIL, PASSWORD, Client, outcome
from falcon import testing

from falcon_auth.api.app import AuthApp
from falcon_auth.api.client_addresses import ProxyTrust
from falcon_auth.api.problems import handle_errors
from falcon_auth.api.request_middleware import RequestMiddleware
from falcon_auth.observability.metrics import Metrics

PATHS = ["/health", "/nope", "/protected", "/api/v1/auth/login", "/login"]


@pytest.mark.parametrize("path", PATHS)
def test_every_response_has_the_headers_of_the_contract(client, path):
    headers = client.simulate_get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers
    assert "Strict-Transport-Security" not in headers


def test_hsts_is_sent_over_https(client):
    answer = client.simulate_get("/health", protocol="https")

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 64])
def test_a_clients_request_id_is_kept(client, given, logged):
    answer = client.simulate_get("/nope", headers={"X-Request-ID": given})

    assert answer.headers["X-Request-ID"] == answer.json["request_id"] == given
    assert logged.events("request")[0]["request_id"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "é", "a\tb", '"', "a/b"])
def test_a_missing_or_unusable_x_request_id_is_replaced(client, given):
    headers = {} if given is None else {"X-Request-ID": given}

    own = {client.simulate_get("/health", headers=headers).headers["X-Request-ID"] for _ in "ab"}

    assert len(own) == 2
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in own)


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_head_has_the_headers_of_get_and_no_body(client, path):
    got, head = client.simulate_get(path), client.simulate_head(path)

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_every_request_is_one_line(client, user, logged):
    before = len(logged.events("request"))
    client.profile(user)
    client.simulate_get("/nope/secret-in-a-path?token=secret-in-a-query")

    profile, unknown = logged.events("request")[before:]
    assert profile["method"] == "GET"
    assert profile["route"] == "/api/v1/protected/profile"
    assert profile["status"] == 200
    assert profile["duration_ms"] >= 0
    assert profile["user_id"] == user.json["user"]["id"]
    assert (unknown["route"], unknown["status"], unknown["user_id"]) == (None, 404, None)
    assert "secret-in" not in logged.text


def test_a_security_event_has_the_id_of_its_request(client, user, logged):
    client.login(password="wrong password", headers={"X-Request-ID": "trace-me"})

    (event,) = logged.events("login_failed")
    assert event["request_id"] == "trace-me"
    assert event["user_id"] == user.json["user"]["id"]
    assert event["reason"] == "password"


def test_a_security_event_has_the_client_s_address_as_the_throttle_sees_it(make_client, logged):
    """What a proxy that is trusted says; not what a client writes in front of it."""
    client = make_client(trusted_proxies="127.0.0.1")
    client.login(
        headers={"X-Forwarded-For": "198.51.100.1, [2001:db8::7]:4711", "User-Agent": "curl"},
        remote_addr="127.0.0.1",
    )

    (event,) = logged.events("login_failed")
    assert event["ip"] == logged.events("request")[-1]["ip"] == "2001:db8::7"
    assert "curl" not in logged.text


def test_a_client_without_a_known_address_is_logged_without_one(make_client, logged):
    client = make_client(trusted_proxies="127.0.0.1")
    client.login(headers={"X-Forwarded-For": "unknown"}, remote_addr="127.0.0.1")

    assert "ip" not in logged.events("login_failed")[0]


class Neighbour(Client):
    """A client whose every request comes from one known address."""

    def simulate_request(self, *args, **kwargs):
        return super().simulate_request(*args, **kwargs | {"remote_addr": "192.0.2.7"})


def test_every_event_of_a_request_has_an_address_and_a_command_s_has_none(
    make_client, logged, clock
):
    client = Neighbour(make_client(rate_limit_requests=1).app)
    user, other = client.register(), client.login()
    client.refresh(other)
    clock.advance(seconds=31)
    client.refresh(other)  # Theft.
    client.change_password(user, PASSWORD, "staple battery horse")
    client.logout(user)
    client.profile(user)
    client.login()
    client.login()
    client.app.service.administration.set_active(EMAIL, active=False)

    for name in (
        "user_registered",
        "login_succeeded",
        "refresh_token_reused",
        "session_ended",
        "token_rejected",
        "password_changed",
        "login_failed",
        "rate_limited",
    ):
        assert logged.events(name), name
        assert all(line["ip"] == "192.0.2.7" for line in logged.events(name)), name
    (by_command,) = logged.events("user_disabled")
    assert not {"ip", "request_id"} & set(by_command)


def test_nothing_secret_is_logged_in_a_whole_life(client, logged, clock):
    """Every secret that a client sends or gets is searched for in all that was logged."""
    secrets = [PASSWORD, "wrong password", "staple battery horse"]
    tokens = client.register(username="ada_lovelace")
    client.login(password="wrong password")
    login = client.login()
    client.change_password(login, PASSWORD, "staple battery horse")
    refreshed = client.refresh(login)
    client.profile(refreshed)
    client.as_user("GET", "/protected", "forged." + refreshed.json["access_token"])
    clock.advance(seconds=40)
    client.refresh(login)
    client.logout(tokens)
    client.simulate_get("/", headers={"Authorization": f"Bearer {login.json['access_token']}"})
    client.post("/api/v1/auth/login", {"email": EMAIL, "password": PASSWORD, "x": PASSWORD})
    (stored, *_), *_ = client.app.service.store.dump()
    secrets += [stored.password_hash]
    for answer in (tokens, login, refreshed):
        secrets += [answer.json["access_token"], answer.json["refresh_token"]]
        secrets += answer.json["access_token"].split(".")[1:]
    secrets.append(client.app.service.settings.jwt_secret_key.get_secret_value())

    assert logged.events("refresh_token_reused")
    assert len(logged.lines) > 15
    assert [each for each in secrets if each in logged.text] == []
    assert [each for each in secrets if each in repr(vars(client.app.service))] == []


def test_health_tells_time_and_version(client):
    body = client.simulate_get("/health").json

    assert body == {"status": "ok", "timestamp": "2027-01-15T08:00:00.000Z", "version": "1.0.0"}


def test_readiness_says_what_the_store_is_and_when_it_drains(client):
    ready = client.simulate_get("/health/ready")
    client.app.service.drain()
    draining = client.simulate_get("/health/ready")

    assert (ready.status_code, ready.json["status"]) == (200, "ok")
    assert ready.json["checks"]["store"] == {
        "status": "ok",
        "kind": "memory",
        "limits": "lost on restart, one process",
    }
    assert (draining.status_code, draining.json["status"]) == (503, "unavailable")
    assert draining.headers["Content-Type"] == "application/json"


def test_a_user_agent_is_kept_short_and_printable(client, user):
    tokens = client.login(headers={"User-Agent": "x" * 300})
    strange = client.login(headers={"User-Agent": "phone\x07 \x85name"})

    agents = [each["user_agent"] for each in client.sessions(strange)]
    assert agents[:2] == ["phone name", "x" * 256]
    assert tokens.status_code == 200


def test_even_a_request_that_fails_before_routing_is_answered(logged):
    """The system may grant no thread for the housekeeping, say."""

    def fail():
        message = "can't start new thread"
        raise RuntimeError(message)

    app = AuthApp()
    app.add_middleware(RequestMiddleware(ProxyTrust(()), app.allowed_methods, fail, Metrics()))
    handle_errors(app, lambda _: None)

    answer = testing.TestClient(app).simulate_get("/health")

    assert outcome(answer) == (500, "INTERNAL_ERROR")
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    assert logged.events("request")[0]["status"] == 500
