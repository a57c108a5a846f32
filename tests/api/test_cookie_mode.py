"""Cookie mode: what the cookie is, whose requests it counts in, and when it goes."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from conftest import EMAIL, PASSWORD, Client, outcome

from falcon_auth import public
from falcon_auth.api.refresh_cookie import NAME, RefreshCookie
from falcon_auth.errors import StoreUnavailableError
from falcon_auth.testing.service import TestService

AUTH = "/api/v1/auth"
OWN, LISTED = "https://auth.example.com", "https://app.example.com"
CREDENTIALS = {"email": EMAIL, "password": PASSWORD}
WEEK = 7 * 24 * 3600
ATTRIBUTES = "Path=/api/v1/auth; HttpOnly; Secure; SameSite=Strict"
CLEARED = f"{NAME}=; Max-Age=0; {ATTRIBUTES}"
MISSING, CROSS_SITE, INVALID = (
    (401, "MISSING_TOKEN"),
    (403, "CROSS_SITE"),
    (401, "TOKEN_INVALID"),
)
# Origin and Sec-Fetch-Site, as browsers send them.
TRUSTED = [
    (OWN, "same-origin"),
    (OWN, None),  # Without https, and beyond localhost, browsers leave it out.
    (LISTED, "same-site"),
    (LISTED, "same-origin"),
    (LISTED, None),
]
# What each pair is refused for, as the log has it.
UNTRUSTED = [
    (None, None, "no_origin"),
    (None, "same-origin", "no_origin"),
    ("null", "cross-site", "origin"),
    ("https://evil.example", "cross-site", "origin"),
    ("https://evil.example", None, "origin"),
    ("https://evil.example", "same-origin", "origin"),
    ("https://evil.auth.example.com", "same-site", "origin"),
    ("https://evil.example.com", "same-site", "origin"),
    ("http://auth.example.com", "same-origin", "origin"),  # Whoever controls the network.
    ("https://auth.example.com:8443", "same-site", "origin"),
    ("https://AUTH.example.com", "same-origin", "origin"),
    ("https://auth.example.com.evil.example", None, "origin"),
    (f"{OWN}, https://evil.example", None, "origin"),
    ("*", None, "origin"),
    ("", None, "origin"),
    (OWN, "same-site", "sec_fetch_site"),
    (OWN, "cross-site", "sec_fetch_site"),
    (OWN, "none", "sec_fetch_site"),
    (LISTED, "cross-site", "sec_fetch_site"),
    (LISTED, "", "sec_fetch_site"),
    (LISTED, "same-site, same-site", "sec_fetch_site"),
]


@pytest.fixture
def client(make_client):
    return make_client(public_url=OWN, cors_origins=(LISTED,))


@pytest.fixture
def token(client):
    """The refresh token in the cookie of a log-in."""
    client.register()
    return cookie_of(log_in(client))


def log_in(client, path="/login", **more):
    return client.post(AUTH + path, {**CREDENTIALS, "session": "cookie", **more})


def send(client, path, *cookies, origin=OWN, site="same-origin", body=None, **more):
    """Send what a browser would, with these values of the cookie."""
    headers = {
        "Origin": origin,
        "Sec-Fetch-Site": site,
        "Cookie": "; ".join(f"{NAME}={each}" for each in cookies) or None,
        **more,
    }
    given = {name: value for name, value in headers.items() if value is not None}
    return client.post(AUTH + path, body or {}, given)


def cookie_of(answer):
    """The token that an answer has the browser keep."""
    header = answer.headers["Set-Cookie"]
    return re.fullmatch(f"{NAME}=([^; ]+); Max-Age=[0-9]+; {re.escape(ATTRIBUTES)}", header)[1]


def is_live(client, token):
    """Whether the session of a refresh token goes on; spends the token."""
    return client.refresh(token).status_code == 200


def jti_of(token):
    return jwt.decode(token, options={"verify_signature": False})["jti"]


def test_a_log_in_can_have_the_refresh_token_in_a_cookie(client):
    client.register()

    in_body, in_cookie = client.login(), log_in(client)

    assert in_body.json.keys() - in_cookie.json.keys() == {"refresh_token"}
    assert in_cookie.headers["Set-Cookie"] == (
        f"{NAME}={cookie_of(in_cookie)}; Max-Age={WEEK}; {ATTRIBUTES}"
    )
    assert in_cookie.json["refresh_expires_in"] == WEEK
    assert cookie_of(in_cookie) not in in_cookie.text
    assert "Set-Cookie" not in in_body.headers
    assert client.profile(in_cookie).status_code == 200
    assert is_live(client, cookie_of(in_cookie))


def by_registration(service):
    return log_in(service.client, "/register")


def by_password(service):
    service.new_user(EMAIL)
    return log_in(service.client)


def by_alias(service):
    """Of the other paths of a log-in; the cookie is for `/api/v1/auth` all the same."""
    service.new_user(EMAIL)
    return service.client.post("/login", {**CREDENTIALS, "session": "cookie"})


def by_code(service):
    app = service.add_app(service.new_user(EMAIL))
    refusal = log_in(service.client)
    assert outcome(refusal) == (401, "SECOND_FACTOR_REQUIRED")
    assert "Set-Cookie" not in refusal.headers
    service.clock.advance(seconds=30)
    body = {"challenge": refusal.json["challenge"], "code": app.code(), "session": "cookie"}
    return service.client.post(f"{AUTH}/login/factor", body)


def by_passkey_as_factor(service):
    device = service.add_passkey(service.new_user(EMAIL))
    challenge = {"challenge": log_in(service.client).json["challenge"]}
    options = service.client.post(f"{AUTH}/login/factor/options", challenge).json
    body = {**challenge, "credential": device.get(options), "session": "cookie"}
    return service.client.post(f"{AUTH}/login/factor", body)


def by_passkey(service):
    device = service.add_passkey(service.new_user(EMAIL))
    credential = device.get(service.client.simulate_post(f"{AUTH}/passkey/options").json)
    body = {"credential": credential, "session": "cookie"}
    return service.client.post(f"{AUTH}/passkey/login", body)


@pytest.mark.parametrize(
    "log_in_somehow",
    [by_registration, by_password, by_alias, by_code, by_passkey_as_factor, by_passkey],
)
def test_every_way_in_offers_it(clock, log_in_somehow):
    with TestService({}, clock) as service:
        service.client = Client(service.app)

        answer = log_in_somehow(service)

        assert "refresh_token" not in answer.json
        assert answer.json["user"]["email"] == EMAIL
        assert (
            service.client.post(f"{AUTH}/refresh", {"refresh_token": cookie_of(answer)}).status_code
            == 200
        )


@pytest.mark.parametrize("session", ["body", "Cookie", "", None, True, ["cookie"]])
def test_any_other_session_is_refused(client, session):
    answer = log_in(client, session=session)

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert answer.json["errors"] == [
        {"pointer": "/session", "code": "VALIDATION_FAILED", "detail": 'Must be "cookie".'}
    ]


@pytest.mark.parametrize("more", [{}, {"session": "cookie"}])
def test_a_second_factor_is_a_code_or_a_passkey_and_not_both(client, more):
    credential = {"rawId": "q83v", "response": {"clientDataJSON": "e30"}}
    body = {"challenge": "a.b.c", "code": "123456", "credential": credential, **more}

    assert outcome(client.post(f"{AUTH}/login/factor", body)) == (422, "VALIDATION_FAILED")


def test_a_registration_that_waits_for_its_mail_sets_no_cookie(mailing):
    client = mailing(email_verification="required")

    answer = log_in(client, "/register")

    assert answer.status_code == 202
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(("origin", "site"), TRUSTED)
def test_a_page_that_is_trusted_refreshes_and_logs_out(client, token, origin, site):
    refreshed = send(client, "/refresh", token, origin=origin, site=site)
    successor = cookie_of(refreshed)
    profile = client.profile(refreshed)
    logged_out = send(client, "/logout", successor, origin=origin, site=site)

    assert refreshed.json["user"]["email"] == EMAIL
    assert "refresh_token" not in refreshed.json
    assert (profile.status_code, logged_out.status_code) == (200, 204)
    assert logged_out.headers["Set-Cookie"] == CLEARED
    assert outcome(client.profile(refreshed)) == (401, "TOKEN_REVOKED")


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
@pytest.mark.parametrize(("origin", "site", "reason"), UNTRUSTED)
def test_what_no_trusted_page_has_sent_is_refused(
    client, token, logged, path, origin, site, reason
):
    """Nothing happened: the token is not spent, the session not over, the cookie still there."""
    answer = send(client, path, token, origin=origin, site=site)

    assert outcome(answer) == CROSS_SITE
    assert "Set-Cookie" not in answer.headers
    assert [line["reason"] for line in logged.events("token_rejected")] == [reason]
    assert cookie_of(send(client, "/refresh", token))


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
def test_without_a_cookie_there_is_no_token(client, path):
    plain = client.post(AUTH + path, {})
    own_page = send(client, path)
    foreign_page = send(client, path, origin="https://evil.example", site="cross-site")

    assert outcome(plain) == outcome(own_page) == MISSING
    assert "session" in plain.json["detail"]
    assert outcome(foreign_page) == CROSS_SITE


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
def test_with_a_token_in_the_body_the_cookie_is_not_looked_at(client, token, path):
    other = client.login().json["refresh_token"]
    body = {"refresh_token": other}

    answer = send(client, path, token, origin="https://evil.example", site="cross-site", body=body)

    assert answer.status_code in {200, 204}
    assert "Set-Cookie" not in answer.headers
    assert is_live(client, token)


def test_a_token_in_the_body_gets_its_successor_there(client, token):
    answer = client.refresh(token)

    assert answer.json["refresh_token"]
    assert "Set-Cookie" not in answer.headers


def test_the_cookie_lives_no_longer_than_the_session(make_client, clock):
    client = make_client(public_url=OWN, session_max_days=8)
    client.register()
    token = cookie_of(log_in(client))
    clock.advance(days=6)

    answer = send(client, "/refresh", token)

    assert answer.json["refresh_expires_in"] == 2 * 24 * 3600
    assert f"Max-Age={2 * 24 * 3600};" in answer.headers["Set-Cookie"]


def test_two_tabs_at_once_get_the_same_successor(client, token):
    with ThreadPoolExecutor(4) as tabs:
        answers = list(tabs.map(lambda _: send(client, "/refresh", token), range(4)))

    assert {outcome(answer) for answer in answers} == {(200, None)}
    assert len({jti_of(cookie_of(answer)) for answer in answers}) == 1


def test_logging_out_again_does_no_harm(client, token):
    """The answer to the first may have been lost, and the cookie with it."""
    first, again = (send(client, "/logout", token) for _ in range(2))

    assert first.status_code == again.status_code == 204
    assert again.headers["Set-Cookie"] == CLEARED


def test_a_token_that_is_refused_clears_the_cookie(client, token, clock):
    successor = cookie_of(send(client, "/refresh", token))
    clock.advance(seconds=31)  # Past the grace for a lost answer.

    reused = send(client, "/refresh", token)
    revoked = send(client, "/refresh", successor)
    clock.advance(days=8)
    expired = send(client, "/refresh", successor)
    forged = [send(client, path, successor[:-2] + "AA") for path in ("/refresh", "/logout")]

    assert outcome(reused) == (401, "TOKEN_REUSED")
    assert outcome(revoked) == (401, "TOKEN_REVOKED")
    assert outcome(expired) == (401, "TOKEN_EXPIRED")
    assert {outcome(answer) for answer in forged} == {INVALID}
    for answer in (reused, revoked, expired, *forged):
        assert answer.headers["Set-Cookie"] == CLEARED


@public
class Away:
    """A use case whose store is away."""

    def on_post(self, req, resp):
        with RefreshCookie(own_origins=[OWN]).token_of(req, resp):
            raise StoreUnavailableError


def test_a_store_that_is_away_does_not_clear_the_cookie(client):
    """The same request is sent again when it is back."""
    client.app.add_route(f"{AUTH}/away", Away())

    answer = send(client, "/away", "a.b.c")

    assert outcome(answer) == (503, "STORE_UNAVAILABLE")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
@pytest.mark.parametrize("planted_first", [True, False])
def test_a_cookie_planted_by_another_host_of_the_site_is_not_taken(
    client, token, path, planted_first
):
    """Else Ada would go on as Eve, who set hers for the whole domain, perhaps on a longer path.

    Ada's own is not cleared: then Eve's would be the only one.
    """
    client.register("eve@example.com")
    eves = cookie_of(log_in(client, email="eve@example.com"))
    cookies = (eves, token) if planted_first else (token, eves)

    answer = send(client, path, *cookies)

    assert outcome(answer) == INVALID
    assert "Set-Cookie" not in answer.headers
    assert is_live(client, token)
    assert is_live(client, eves)


def test_twice_the_same_cookie_is_refused_as_well(client, token, logged):
    assert outcome(send(client, "/refresh", token, token)) == INVALID

    assert [line["reason"] for line in logged.events("token_rejected")] == ["cookies"]


@pytest.mark.parametrize(
    "value",
    ["", '""', "x" * 9000, "a.b.c", "\xe9.\xe9.\xe9", '"\\101.b.c"', "a.b.c, d.e.f", "null"],
    ids=range(8),
)
def test_nonsense_in_the_cookie_is_an_invalid_token(client, value):
    for path in ("/refresh", "/logout"):
        answer = send(client, path, value)

        assert outcome(answer) == INVALID
        assert answer.headers["Set-Cookie"] == CLEARED


def test_other_names_are_not_the_cookie(client, token):
    for name in (NAME.lower(), "refresh", f"x{NAME}", f"__Host{NAME}"):
        answer = send(client, "/refresh", Cookie=f"{name}={token}")
        assert outcome(answer) == MISSING


def test_the_cookie_opens_nothing_else(client, token):
    """A guarded path asks for the access token, whatever cookies there are."""
    headers = {"Origin": OWN, "Sec-Fetch-Site": "same-origin", "Cookie": f"{NAME}={token}"}

    for path in ("/api/v1/protected/profile", f"{AUTH}/sessions", f"{AUTH}/account"):
        assert outcome(client.simulate_get(path, headers=headers)) == MISSING


def test_a_form_of_another_page_is_refused_before_all(client, token):
    headers = {"Origin": OWN, "Cookie": f"{NAME}={token}", "Content-Type": "text/plain"}

    answer = client.simulate_post(f"{AUTH}/logout", body="{}", headers=headers)

    assert outcome(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_without_a_public_url_pages_of_this_machine_are_the_service(make_client):
    client = make_client(port=8123)
    client.register()

    for origin in ("http://localhost:8123", "http://127.0.0.1:8123"):
        token = cookie_of(log_in(client))
        assert send(client, "/refresh", token, origin=origin).status_code == 200
        assert outcome(send(client, "/refresh", token, origin=f"{origin}0")) == CROSS_SITE


def test_a_public_url_with_a_path_is_where_the_cookie_goes(make_client):
    client = make_client(public_url="https://Example.com:443/id/")
    client.register()

    header = log_in(client).headers["Set-Cookie"]
    token = header.split("=")[1].split(";")[0]

    assert "; Path=/id/api/v1/auth; " in header
    assert send(client, "/refresh", token, origin="https://example.com").status_code == 200


def test_a_star_trusts_nobody_with_the_cookie(make_client):
    client = make_client(public_url=OWN, cors_origins=("*",))
    client.register()
    token = cookie_of(log_in(client))

    for origin in (LISTED, "null", "*"):
        answer = send(client, "/refresh", token, origin=origin, site=None)
        assert outcome(answer) == CROSS_SITE


class Careless:
    """An application's own resource, whose exception quotes the request."""

    def on_post(self, req, resp):
        raise RuntimeError(req.get_header("Cookie"))


def test_the_cookie_is_never_logged(client, token, logged):
    user = client.login()
    client.app.add_route("/careless", Careless())
    cookie = {"Cookie": f"theme=dark; {NAME}={token}; {NAME}=anotherSecret"}

    client.as_user("POST", "/careless", user, headers=cookie)
    send(client, "/refresh", token, origin="https://evil.example")
    successor = cookie_of(send(client, "/refresh", token))
    send(client, "/logout", successor)
    send(client, "/logout", successor + "x")

    assert logged.events("internal_error")
    for secret in (token, successor, token.rpartition(".")[2], "anotherSecret"):
        assert secret not in logged.text
    assert NAME in json.dumps(logged.events("internal_error"))
