"""The check of responses: it must see what is wrong, or every green test means little."""

import copy
import itertools
import json
from dataclasses import replace

import pytest
from conftest import outcome, settings_for
from falcon import testing as falcon_testing

from falcon_auth.api.guard import public
from falcon_auth.api.openapi import build_document
from falcon_auth.api.response_contract import (
    Answer,
    Contract,
    ContractBrokenError,
    check,
    service_contract,
)
from falcon_auth.api.routes import ALIASES

PROFILE = "/api/v1/protected/profile"


@pytest.fixture
def document():
    """A document of the test's own, to spoil."""
    return copy.deepcopy(build_document())


@pytest.fixture
def profile(client, user):
    """A good answer."""
    return as_answer("GET", PROFILE, client.profile(user))


def as_answer(method, path, result):
    return Answer(method, path, result.status_code, dict(result.headers), result.content)


def violations(answer, document=None):
    contract = service_contract() if document is None else Contract(document, ALIASES)
    return contract.violations(answer)


def altered(answer, **members):
    return replace(answer, body=json.dumps(json.loads(answer.body) | members).encode())


def test_a_good_answer_passes(profile):
    assert violations(profile) == []


def test_a_property_that_a_schema_loses_is_seen(profile, document):
    del document["components"]["schemas"]["profile"]["properties"]["username"]

    assert "breaks the rule additionalProperties" in violations(profile, document)[0]


def test_a_property_that_a_schema_gains_is_seen(profile, document):
    document["components"]["schemas"]["profile"]["required"].append("phone")

    assert "breaks the rule required" in violations(profile, document)[0]


def test_a_schema_behind_a_reference_counts(client, user, document):
    tokens = as_answer("POST", "/api/v1/auth/login", client.login())
    assert violations(tokens, document) == []

    del document["components"]["schemas"]["user"]["properties"]["is_active"]

    assert "the body at /user breaks" in violations(tokens, document)[0]


def test_a_status_that_the_document_loses_is_seen(profile, document):
    del document["paths"][PROFILE]["get"]["responses"]["200"]

    assert "status 200 is not documented" in violations(profile, document)[0]


def test_a_path_or_a_method_that_the_document_loses_is_seen(profile, document):
    del document["paths"][PROFILE]

    assert "status 200 is not documented" in violations(profile, document)[0]
    assert "status 200 is not documented" in violations(replace(profile, method="PATCH"))[0]


def test_a_header_is_documented_or_seen(profile):
    given = dict(profile.headers)
    without = {name: value for name, value in given.items() if name != "x-request-id"}

    assert "x-request-id is missing" in violations(replace(profile, headers=without))[0]
    for name, value in (("Server", "waitress"), ("Set-Cookie", "a=b"), ("ETag", '"a"')):
        extra = replace(profile, headers=given | {name: value})
        assert f"header {name.lower()} is not documented" in violations(extra)[0]
    for name, value in (("x-request-id", "a b"), ("cache-control", "public")):
        spoilt = replace(profile, headers=given | {name: value})
        assert f"header {name} breaks its schema" in violations(spoilt)[0]


@pytest.mark.parametrize("value", ["soon", "-1", "0", "1.5", ""])
def test_an_invalid_retry_after_breaks_the_contract(make_client, value):
    client = make_client(rate_limit_requests=1)
    client.register()
    client.login(password="wrong")
    refused = as_answer("POST", "/api/v1/auth/login", client.login(password="wrong"))
    spoilt = replace(refused, headers=dict(refused.headers) | {"retry-after": value})

    assert violations(refused) == []
    assert "header retry-after breaks its schema" in violations(spoilt)[0]


def test_a_code_of_another_operation_is_seen(client):
    answer = as_answer("GET", PROFILE, client.simulate_get(PROFILE))
    assert violations(answer) == []

    assert "/code breaks the rule enum" in violations(altered(answer, code="TOKEN_REUSED"))[0]


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"null", "breaks the rule type"),
    ],
)
def test_a_body_that_is_none_of_its_schema_is_seen(profile, body, violation):
    assert violation in violations(replace(profile, body=body))[0]


def test_a_body_of_another_type_is_seen(profile):
    headers = dict(profile.headers) | {"content-type": "text/html"}

    assert "the type of the body" in violations(replace(profile, headers=headers))[0]


def test_a_body_where_none_belongs_is_seen(client, user):
    ended = as_answer("POST", "/api/v1/auth/logout", client.logout(user))
    head = as_answer("HEAD", "/health", client.simulate_head("/health"))

    assert violations(ended) == violations(head) == []
    assert "a body is not documented" in violations(replace(ended, body=b"{}"))[0]
    assert "an answer to HEAD has a body" in violations(replace(head, body=b"{}"))[0]


def test_no_path_has_every_method_and_no_method_is_on_every_path(client):
    absent = as_answer("GET", "/nothing", client.simulate_get("/nothing"))
    refused = as_answer("PATCH", "/health", client.simulate_patch("/health"))
    options = as_answer("OPTIONS", "/health", client.simulate_options("/health"))

    assert violations(absent) == violations(refused) == violations(options) == []
    assert "status 204" in violations(replace(options, path="/nothing"))[0]
    assert "status 405" in violations(replace(refused, path="/nothing"))[0]
    assert "status 404" in violations(replace(absent, path="/health"))[0]


def test_a_path_that_settings_take_away_is_not_found_by_any_method(client):
    absent = as_answer("GET", "/nothing", client.simulate_get("/nothing"))

    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        body = b"" if method == "HEAD" else absent.body
        assert violations(replace(absent, method=method, path="/metrics", body=body)) == []


def test_other_paths_of_an_operation_are_held_to_it(client):
    answer = as_answer("GET", "/api/user/profile", client.simulate_get("/api/user/profile"))

    assert violations(answer) == []
    assert violations(replace(answer, status=418))


def test_a_refusal_of_the_servers_own_in_plain_text_is_seen():
    """`tests/api/test_refusals.py` holds those of a running service."""
    refusal = Answer(
        method="GET",
        path="/health",
        status=400,
        headers={"Content-Type": "text/plain"},
        body=b"Bad Request\r\n\r\nInvalid header\r\n\r\n(generated by waitress)",
    )

    assert "the type of the body is not documented" in violations(refusal)


def test_a_violation_of_the_response_contract_tells_no_value(profile):
    """A body may hold tokens."""
    with pytest.raises(ContractBrokenError) as raised:
        check(altered(profile, email=4711, extra="a-secret"))

    assert "4711" not in str(raised.value)
    assert "a-secret" not in str(raised.value)


def test_a_contract_violation_names_the_request(profile):
    with pytest.raises(ContractBrokenError, match=f"^GET {PROFILE}: 418: status 418 is not"):
        check(replace(profile, status=418))


def test_the_shared_client_raises_for_a_violation(client):
    client.app.service_routes = frozenset(client.app.methods) | {"/undocumented"}
    client.app.add_route("/undocumented", Teapot())

    with pytest.raises(ContractBrokenError, match="status 418 is not documented"):
        client.simulate_get("/undocumented")


@public
class Teapot:
    """Answers what no document has."""

    def on_get(self, req, resp):
        resp.status = "418 I'm a teapot"
        resp.set_header("X-Flavour", "earl grey")
        resp.text = "a-secret"


# --- VALIDATE_RESPONSES


@pytest.fixture
def checked(make_client):
    client = make_client(validate_responses=True, cors_origins=["http://page.example"])
    client.app.add_route("/own", Teapot())
    client.app.add_route("/undocumented", Teapot())
    client.app.service_routes |= {"/undocumented"}
    return client


def test_a_contract_violation_is_answered_500_and_logged(checked, logged):
    headers = {"X-Request-ID": "mine", "Origin": "http://page.example"}

    answer = checked.send("GET", "/undocumented", headers=headers)

    assert outcome(answer) == (500, "INTERNAL_ERROR")
    assert answer.json["request_id"] == answer.headers["X-Request-ID"] == "mine"
    assert answer.headers["Access-Control-Allow-Origin"] == "http://page.example"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert "X-Flavour" not in answer.headers
    (event,) = logged.events("response_breaks_contract")
    assert event["request_id"] == "mine"
    assert event["violations"] == ["status 418 is not documented"]
    assert "a-secret" not in logged.text


def test_a_contract_violation_in_an_answer_to_head_has_no_body(checked):
    answer = checked.send("HEAD", "/undocumented")

    assert (answer.status_code, answer.content) == (500, b"")


def test_a_withheld_answer_keeps_to_the_contract_itself(checked):
    answer = as_answer("GET", "/health", checked.send("GET", "/undocumented"))

    assert violations(answer) == []


def test_a_route_of_the_application_is_its_own_business(checked):
    """It may stream without an end: nothing of it is held back."""

    @public
    class Stream:
        def on_get(self, req, resp):
            resp.stream = itertools.repeat(b"more")

    checked.app.add_route("/stream", Stream())
    environ = falcon_testing.create_environ(path="/stream")
    chunks = checked.app(environ, lambda status, headers, exc_info=None: None)

    assert checked.send("GET", "/own").status_code == 418
    assert next(iter(chunks)) == b"more"


def test_good_answers_pass_unchanged(checked):
    user = checked.register()

    assert checked.profile(user).status_code == 200
    assert outcome(checked.login(password="wrong")) == (401, "INVALID_CREDENTIALS")
    assert checked.simulate_get("/docs/swagger-ui-bundle.js").status_code == 200
    assert outcome(checked.simulate_get("/caf%C3%A9%ff")) == (404, "NOT_FOUND")


def test_production_refuses_validate_responses():
    with pytest.raises(ValueError, match="VALIDATE_RESPONSES"):
        settings_for(environment="production", bcrypt_rounds=12, validate_responses=True)
