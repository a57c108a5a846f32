"""The error table of the contract, row by row, and what holds for every error."""

import io
import json

import falcon
import falcon.testing
import pytest
from conftest import EMAIL, PASSWORD, outcome

from falcon_auth import errors
from falcon_auth.api.guard import public
from falcon_auth.errors import CATALOGUE, InvalidTokenError

LOGIN = "/api/v1/auth/login"


def send(client, body, content_type="application/json", path=LOGIN, **kwargs):
    headers = {} if content_type is None else {"Content-Type": content_type}
    return client.simulate_post(path, body=body, headers=headers, **kwargs)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b"{'a': 1}",
        b'{"email": NaN, "password": "x"}',
        b'{"email": 1e999, "password": "x"}',
        b'{"email": -Infinity}',
        b'{"email": "a@example.com", "email": "b@example.com"}',
        b'\xef\xbb\xbf{"email": "a@example.com"}',
        '{"email": "a@example.com"}'.encode("utf-16"),
        '{"email": "ä"}'.encode("latin-1"),
        b'{"email": "\xed\xa0\x80"}',
        b"[" * 10_000,
        b'{"a":' * 2_000,
        b"1" * 5_000,
        b"{} {}",
    ],
)
def test_what_is_not_json_is_malformed(client, body):
    assert outcome(send(client, body)) == (400, "MALFORMED_JSON")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"', b"{}", b"true"])
def test_json_without_the_required_members_violates_the_schema(client, body):
    assert outcome(send(client, body)) == (422, "VALIDATION_FAILED")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-seq",
        "application/problem+json",
        "text/json",
        "*/*",
        "application/*",
    ],
)
def test_a_body_must_be_declared_as_json(client, content_type):
    assert outcome(send(client, b"{}", content_type)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json;",
    ],
)
def test_json_is_recognised_in_any_case_with_or_without_parameters(client, content_type):
    assert send(client, b"{}", content_type).status_code == 422


def test_a_body_over_16_kib_is_too_large(client):
    fitting = json.dumps({"email": EMAIL, "password": "x" * 10_000}).encode().ljust(16 * 1024)
    assert outcome(send(client, fitting)) == (401, "INVALID_CREDENTIALS")

    assert outcome(send(client, fitting + b" ")) == (413, "PAYLOAD_TOO_LARGE")


# The test client's own validator warns of methods that it does not know.
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("path", ["/nope", "/api/v1/auth/", "/api/v1/auth/login/", "/%2e%2e"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "FOO"])
def test_an_unknown_path_is_404(client, path, method):
    assert outcome(client.simulate_request(method, path)) == (404, "NOT_FOUND")


# The test client's own validator warns of methods that it does not know.
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", LOGIN, "OPTIONS, POST"),
        ("HEAD", LOGIN, "OPTIONS, POST"),
        ("DELETE", "/health", "GET, HEAD, OPTIONS"),
        ("FOO", "/health", "GET, HEAD, OPTIONS"),
        ("TRACE", "/health", "GET, HEAD, OPTIONS"),
        ("PATCH", "/api/v1/auth/sessions", "DELETE, GET, HEAD, OPTIONS"),
        ("POST", "/api/v1/protected/profile", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_a_path_does_not_answer_is_405(client, method, path, allow):
    answer = client.simulate_request(method, path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allow
    assert method == "HEAD" or answer.json["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Token abc", "bearerabc"]
)
def test_without_a_bearer_token_guarded_resources_are_closed(client, value):
    headers = {} if value is None else {"Authorization": value}

    answer = client.simulate_get("/protected", headers=headers)

    assert outcome(answer) == (401, "MISSING_TOKEN")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="falcon-auth"'


@pytest.mark.parametrize("value", ["Bearer abc", "BEARER a.b.c", "bearer a b", "Bearer a,Bearer b"])
def test_a_bad_token_says_so_in_the_challenge(client, value, logged):
    answer = client.simulate_get("/protected", headers={"Authorization": value})

    assert outcome(answer) == (401, "TOKEN_INVALID")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert logged.events("token_rejected")[0]["reason"] in {"form", "kid"}


def test_the_scheme_is_read_in_any_case(client, user):
    token = user.json["access_token"]

    for scheme in ("Bearer", "bearer", "BEARER", "bearer "):
        headers = {"Authorization": f"{scheme} {token}"}
        assert client.simulate_get("/protected", headers=headers).status_code == 200


def test_wrong_credentials_have_a_challenge_too(client):
    assert client.login().headers["WWW-Authenticate"] == 'Bearer realm="falcon-auth"'


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html", "application/xml", "application/json", "nonsense", ""]
)
@pytest.mark.parametrize("path", ["/nope", LOGIN, "/protected"])
def test_errors_are_problems_whatever_accept_says(client, accept, path):
    answer = client.simulate_get(path, headers={"Accept": accept})

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "detail", "code", "request_id"}
    assert answer.json["status"] == answer.status_code
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


class Broken:
    """A resource of an application with a fault."""

    def __init__(self, error):
        self.error = error

    def on_post(self, req, resp):
        resp.stream = iter([b"half an answer"])
        req.context.body = req.get_media()
        raise self.error


@public
class Mapped(Broken):
    def on_get(self, req, resp):
        raise self.error

    def on_put(self, req, resp):
        resp.media = req.media


def test_a_fault_is_500_with_its_traceback_in_the_log_only(client, logged):
    client.app.add_route("/broken", public(type("Open", (Broken,), {}))(KeyError("a fault")))

    answer = client.post("/broken", {})

    assert outcome(answer) == (500, "INTERNAL_ERROR")
    assert "fault" not in answer.text
    assert "Traceback" not in answer.text
    (event,) = logged.events("internal_error")
    assert "KeyError: 'a fault'" in event["exception"]
    assert "Traceback" in event["exception"]
    assert event["request_id"] == answer.json["request_id"]


def test_a_fault_that_quotes_the_request_does_not_bring_it_into_the_log(client, user, logged):
    """Libraries put what they choke on into their messages; it may be a password."""
    token = user.json["access_token"]
    fault = ValueError(f"cannot stand {PASSWORD!r} of {token}")
    client.app.add_route("/broken", Broken(fault))

    answer = client.as_user("POST", "/broken", token, json={"password": PASSWORD, "n": 1})

    assert answer.status_code == 500
    assert PASSWORD not in logged.text
    assert token not in logged.text
    assert "cannot stand '[redacted]'" in logged.events("internal_error")[0]["exception"]


@public
class Careless:
    """Reads its own body, and fails over what is in it."""

    def on_post(self, req, resp):
        text = req.get_media()["nested"][0]["password"]
        raise ValueError(text, f"also as {text}")


def test_a_fault_over_a_body_that_a_resource_read_by_itself_hides_it_too(client, logged):
    client.app.add_route("/careless", Careless())
    password = "a 'quoted'\nand broken password"

    client.post("/careless", {"nested": [{"password": password}]})

    (event,) = logged.events("internal_error")
    assert "quoted" not in event["exception"].split("Careless")[-1].split("raise ")[-1]
    assert "broken password" not in logged.text


def test_a_body_that_cannot_be_encoded_is_a_fault_like_any_other(client, logged):
    class Odd:
        def on_get(self, req, resp):
            resp.media = {"odd": object()}

    client.app.add_route("/odd", public(Odd)())

    answer = client.simulate_get("/odd")

    assert outcome(answer) == (500, "INTERNAL_ERROR")
    assert logged.events("request")[-1]["status"] == 500


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (falcon.HTTPNotFound(), (404, "NOT_FOUND")),
        (falcon.HTTPForbidden(title="No", description="Not yours."), (403, "FORBIDDEN")),
        (falcon.HTTPConflict(), (409, "CONFLICT")),
        (falcon.HTTPBadRequest(), (400, "BAD_REQUEST")),
        (falcon.HTTPUnauthorized(), (401, "UNAUTHORIZED")),
        (falcon.HTTPBadRequest(description="Odd."), (400, "BAD_REQUEST")),
        (falcon.HTTPContentTooLarge(), (413, "PAYLOAD_TOO_LARGE")),
        (falcon.HTTPUnavailableForLegalReasons(), (451, "UNAVAILABLE_FOR_LEGAL_REASONS")),
        (falcon.HTTPServiceUnavailable(retry_after=7), (503, "SERVICE_UNAVAILABLE")),
    ],
)
def test_what_an_applications_resources_raise_becomes_a_problem(client, error, expected):
    client.app.add_route("/mapped", Mapped(error))

    answer = client.simulate_get("/mapped")

    assert outcome(answer) == expected
    assert answer.headers["Content-Type"] == "application/problem+json"
    if expected[0] == 401:
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="falcon-auth"'
    if error.headers:
        assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b'{"a": 1}', "application/json", (200, None)),
        (b"", "application/json", (400, "MALFORMED_JSON")),
        (b"{", "application/json", (400, "MALFORMED_JSON")),
        (b"a=1", "application/x-www-form-urlencoded", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b"{}", None, (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b'"' + b"x" * 20_000 + b'"', "application/json", (413, "PAYLOAD_TOO_LARGE")),
    ],
)
def test_an_applications_own_bodies_are_read_as_strictly(client, body, content_type, expected):
    client.app.add_route("/mapped", Mapped(None))

    headers = {"Content-Type": content_type} if content_type else {}
    answer = client.simulate_put("/mapped", body=body, headers=headers)

    assert outcome(answer) == expected


def test_each_code_stands_for_the_class_that_raises_it():
    """A subclass shares its parent's code, and does not take its place: UnknownKeyError."""
    assert CATALOGUE["TOKEN_INVALID"] is InvalidTokenError
    assert all(kind.code == code for code, kind in CATALOGUE.items())


def test_every_error_with_a_code_of_its_own_is_in_the_catalogue():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    coded = {kind for kind in kinds if issubclass(kind, errors.AuthError) and "code" in vars(kind)}

    assert coded == set(CATALOGUE.values())


def test_the_catalogue_is_what_the_contract_lists():
    assert set(CATALOGUE) == {
        "MALFORMED_JSON",
        "MALFORMED_REQUEST",
        "HEADERS_TOO_LARGE",
        "NOT_IMPLEMENTED",
        "INVALID_CREDENTIALS",
        "MISSING_TOKEN",
        "TOKEN_EXPIRED",
        "TOKEN_INVALID",
        "TOKEN_REVOKED",
        "TOKEN_REUSED",
        "STEP_UP_REQUIRED",
        "INVALID_CLIENT",
        "INSUFFICIENT_SCOPE",
        "SECOND_FACTOR_REQUIRED",
        "FACTOR_INVALID",
        "FACTOR_REQUIRED",
        "LAST_ADMINISTRATOR",
        "ACCOUNT_DISABLED",
        "EMAIL_NOT_VERIFIED",
        "REGISTRATION_CLOSED",
        "CROSS_SITE",
        "NOT_FOUND",
        "METHOD_NOT_ALLOWED",
        "DUPLICATE_EMAIL",
        "DUPLICATE_USERNAME",
        "PAYLOAD_TOO_LARGE",
        "UNSUPPORTED_MEDIA_TYPE",
        "VALIDATION_FAILED",
        "INVALID_EMAIL",
        "WEAK_PASSWORD",
        "RATE_LIMITED",
        "INTERNAL_ERROR",
        "OVERLOADED",
        "STORE_UNAVAILABLE",
        "PROVIDER_REFUSED",
        "PROVIDER_UNAVAILABLE",
        "PROVIDER_EMAIL_UNVERIFIED",
        "IDENTITY_NOT_LINKED",
        "IDENTITY_TAKEN",
        "LAST_WAY_IN",
    }


def test_a_chunked_body_is_read_where_the_server_ends_it(client):
    """gunicorn passes chunks on without a length, and marks the stream as ended by itself."""
    body = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()

    def send_chunked(data):
        environ = falcon.testing.create_environ(
            path=LOGIN, method="POST", headers={"Content-Type": "application/json"}
        )
        environ.pop("CONTENT_LENGTH", None)
        environ |= {"wsgi.input": io.BytesIO(data), "wsgi.input_terminated": True}
        status = []
        list(client.app(environ, lambda line, _headers: status.append(line)))
        return status[0]

    assert send_chunked(body).startswith("401")
    assert send_chunked(body.ljust(20_000)).startswith("413")


def test_errors_names_the_first_50_violations(client):
    """So that a body of 16 KiB does not draw an answer many times its size."""
    body = {f"member-{number}": 1 for number in range(500)}

    answer = send(client, json.dumps(body))

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert len(answer.json["errors"]) == 50
