"""Attacks of RFC 9700 and of OpenID Connect's security considerations, against a lying provider."""

import hashlib
import hmac
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from conftest import EMAIL, outcome
from lying_provider import Browser, Said, encoded, outcome_of, public_jwk
from provider_words import EXCHANGE, RETURN_TO, exchange

REFUSED = {"error": "PROVIDER_REFUSED"}


def test_the_request_has_pkce_state_and_nonce(surfer):
    query = dict(parse_qsl(urlsplit(surfer.begin()).query))

    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert len(query["nonce"]) == 43
    assert query["response_type"] == "code"
    assert query["redirect_uri"].endswith("/api/v1/auth/providers/idp/callback")


def test_a_callback_in_another_browser_is_refused(service, surfer, idp):
    """Login CSRF: the attacker's callback, opened by the victim."""
    parameters = idp.visit(surfer.begin())

    answer = Browser(service).come_back(**parameters)

    assert outcome(answer) == (401, "PROVIDER_REFUSED")


def test_a_callback_works_once_even_with_its_cookie(surfer, idp):
    parameters = idp.visit(surfer.begin())
    cookies = dict(surfer.cookies)
    assert "code" in outcome_of(surfer.come_back(**parameters))
    surfer.cookies = cookies

    assert outcome(surfer.come_back(**parameters)) == (401, "PROVIDER_REFUSED")


def test_two_tabs_do_not_disturb_each_other(surfer, idp):
    first, second = surfer.begin(), surfer.begin()

    assert "code" in outcome_of(surfer.come_back(**idp.visit(second)))
    assert "code" in outcome_of(surfer.come_back(**idp.visit(first)))


def test_the_code_of_one_tab_is_refused_in_another(surfer, idp):
    first, second = idp.visit(surfer.begin()), idp.visit(surfer.begin())

    assert outcome_of(surfer.come_back(**first | {"code": second["code"]})) == REFUSED


def test_an_attempt_ends_after_ten_minutes(surfer, idp, clock):
    parameters = idp.visit(surfer.begin())
    clock.advance(minutes=11)

    assert outcome(surfer.come_back(**parameters)) == (401, "PROVIDER_REFUSED")


def test_a_one_time_code_works_once_and_for_a_minute(service, surfer, idp, clock):
    found = surfer.log_in(idp)
    assert outcome(exchange(service, found)) == (200, None)
    assert outcome(exchange(service, found)) == (401, "TOKEN_REVOKED")

    late = surfer.log_in(idp)
    clock.advance(seconds=91)
    assert outcome(exchange(service, late)) == (401, "TOKEN_EXPIRED")


@pytest.mark.parametrize("issuer", [None, "https://evil.example", ""])
def test_a_mix_up_is_refused_before_the_code_is_sent(surfer, idp, issuer):
    parameters = idp.visit(surfer.begin()) | {"iss": issuer}
    sent = {name: value for name, value in parameters.items() if value is not None}

    assert outcome_of(surfer.come_back(**sent)) == REFUSED
    assert "/token" not in [path for path, _ in idp.asked]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another client"},
        {"aud": ["another client", "a third"]},
        {"aud": ["falcon", "another client"]},
        {"aud": ["falcon", "another client"], "azp": "another client"},
        {"azp": "another client"},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": 1_700_000_000},
        {"iat": None},
        {"exp": True},
        {"iat": "now"},
        {"at_hash": "AAAA"},
    ],
    ids=str,
)
def test_an_id_token_that_is_wrong_in_one_point_is_refused(surfer, idp, claims):
    idp.claims = claims

    assert surfer.log_in(idp) == REFUSED


def unsigned(header, claims):
    return f"{encoded(header | {'alg': 'none'})}.{encoded(claims)}."


def signed_with_the_public_key(header, claims):
    signed = f"{encoded(header | {'alg': 'HS256'})}.{encoded(claims)}"
    secret = encoded(public_jwk("RS256")).encode()
    return f"{signed}.{encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def with_a_broken_signature(header, claims):
    return f"{encoded(header | {'alg': 'RS256'})}.{encoded(claims)}.{encoded(b'x' * 256)}"


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        signed_with_the_public_key,
        with_a_broken_signature,
        lambda *_: "junk",
        lambda *_: None,
        lambda *_: "x" * 20_000,
    ],
)
def test_a_token_that_the_provider_has_not_signed_is_refused(surfer, idp, sign):
    """Also where the provider's own document says that it signs with `none`."""
    idp.sign = sign

    assert surfer.log_in(idp) == REFUSED


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_the_algorithms_that_are_accepted(service, surfer, idp, algorithm):
    idp.algorithm = algorithm
    idp.header = {"kid": "key-RS256" if algorithm == "PS256" else f"key-{algorithm}"}

    assert outcome(exchange(service, surfer.log_in(idp))) == (200, None)


@pytest.mark.parametrize(
    "return_to",
    [
        "https://evil.example/signed-in",
        "https://app.example.com.evil.example/signed-in",
        "https://app.example.com@evil.example/signed-in",
        "https://app.example.com:444/signed-in",
        "http://app.example.com/signed-in",
        "https://app.example.com/signed-into",
        "https://app.example.com/signed-in/../admin",
        "https://app.example.com/signed-in/%2e%2e/admin",
        "https://app.example.com/signed-in#code=mine",
        "https://app.example.com\\@evil.example/signed-in",
        "//evil.example/signed-in",
        "javascript:alert(1)//signed-in",
        "https:///signed-in",
        "https://app.example.com/signed-in/" + "x" * 3000,
        "/signed-in",
        "",
    ],
)
def test_no_open_redirect(surfer, return_to):
    query = urlencode({"return_to": return_to})

    answer = surfer.get(f"/api/v1/auth/providers/idp/login?{query}")

    assert outcome(answer) == (422, "VALIDATION_FAILED")


def test_a_path_below_with_a_query_is_where_the_browser_ends(surfer, idp):
    location = surfer.begin(return_to=f"{RETURN_TO}/tab?attempt=1")
    answer = surfer.come_back(**idp.visit(location))

    assert answer.headers["Location"].startswith(f"{RETURN_TO}/tab?attempt=1#code=")


def test_the_address_of_a_user_links_nothing(service, surfer, idp):
    """An account that somebody registered before with the victim's address is not the victim's."""
    service.register(EMAIL)

    assert surfer.log_in(idp) == {"error": "IDENTITY_NOT_LINKED"}


def test_an_unverified_address_makes_no_user(surfer, idp):
    idp.user["email_verified"] = False

    assert surfer.log_in(idp) == {"error": "PROVIDER_EMAIL_UNVERIFIED"}


def test_anothers_link_is_refused_and_the_own_one_works_once(service, surfer, idp):
    ada, eve = service.register("ada@work.example.com"), service.register("eve@example.com")
    url = service.as_user("POST", "/api/v1/auth/identities/idp", ada, json={}).json["url"]
    location = surfer.get(url).headers["Location"]
    found = outcome_of(surfer.come_back(**idp.visit(location)))

    refused = service.as_user("POST", "/api/v1/auth/identities", eve, json=found)
    linked = service.as_user("POST", "/api/v1/auth/identities", ada, json=found)
    again = service.as_user("POST", "/api/v1/auth/identities", ada, json=found)

    assert outcome(refused) == (401, "TOKEN_INVALID")
    assert outcome(linked) == (201, None)
    assert outcome(again) == (401, "TOKEN_REVOKED")
    tokens = exchange(service, surfer.log_in(idp))
    assert tokens.json["user"]["email"] == "ada@work.example.com"


def test_the_last_way_in_stays_and_a_second_one_goes(service, surfer, idp):
    tokens = exchange(service, surfer.log_in(idp))
    owned = service.as_user("GET", "/api/v1/auth/identities", tokens).json["identities"]
    path = f"/api/v1/auth/identities/{owned[0]['id']}"

    assert outcome(service.as_user("DELETE", path, tokens)) == (409, "LAST_WAY_IN")
    shown = service.as_user("GET", "/api/v1/auth/account", tokens).json["identities"]
    assert shown == owned


@pytest.mark.parametrize(
    ("path", "said", "error"),
    [
        ("/token", Said(500), "PROVIDER_UNAVAILABLE"),
        ("/token", Said(302, headers={"Location": "/elsewhere"}), "PROVIDER_REFUSED"),
        ("/token", Said(body=b"<html>"), "PROVIDER_REFUSED"),
        ("/token", Said(body=b" " * 300_000), "PROVIDER_REFUSED"),
        ("/token", Said(body=b"x", headers={"Content-Encoding": "gzip"}), "PROVIDER_REFUSED"),
        ("/jwks", Said(body={"keys": []}), "PROVIDER_REFUSED"),
        ("/jwks", Said(503), "PROVIDER_UNAVAILABLE"),
    ],
    ids=str,
)
def test_an_answer_that_is_no_answer(surfer, idp, path, said, error):
    idp.says[path] = said

    assert surfer.log_in(idp) == {"error": error}


def test_a_provider_that_cannot_be_reached_is_503_before_the_redirect(surfer, idp, service):
    idp.metadata = {"issuer": "https://evil.example"}
    assert outcome(surfer.get("/api/v1/auth/providers/idp/login")) == (401, "PROVIDER_REFUSED")

    idp.says["/.well-known/openid-configuration"] = Said(503)
    assert outcome(surfer.get("/api/v1/auth/providers/idp/login")) == (503, "PROVIDER_UNAVAILABLE")


def test_cookie_mode_at_the_exchange(service, surfer, idp):
    body = {"code": surfer.log_in(idp)["code"], "session": "cookie"}

    answer = service.post(EXCHANGE, body)

    assert "refresh_token" not in answer.json
    assert "__Secure-refresh" in answer.cookies
