"""Bodies against their schemas: every violation at once, by name, never with the value."""

import pytest
from conftest import EMAIL, PASSWORD, outcome
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from falcon_auth.accounts.email_addresses import EmailSyntaxError, email_key, parse_email
from falcon_auth.api.schemas import SCHEMAS

SECRET = "hunter2-do-not-tell"  # In a member that is refused: must not come back.


def errors(answer):
    return {(each["pointer"], each["code"]) for each in answer.json["errors"]}


def test_every_violation_of_the_contract_is_reported_at_once(client):
    answer = client.post(
        "/api/v1/auth/register",
        {"email": "nobody", "password": "short", "username": "a b", "x/y~z": 1},
    )

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert errors(answer) == {
        ("/email", "INVALID_EMAIL"),
        ("/password", "WEAK_PASSWORD"),
        ("/username", "VALIDATION_FAILED"),
        ("/x~1y~0z", "VALIDATION_FAILED"),
    }


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"email": "nobody"}, "INVALID_EMAIL", "/email"),
        ({"email": "a@b"}, "INVALID_EMAIL", "/email"),
        ({"email": "a@" + "x" * 250 + ".com"}, "INVALID_EMAIL", "/email"),
        ({"email": "\ud800@example.com"}, "INVALID_EMAIL", "/email"),
        ({"email": "a\x00@example.com"}, "INVALID_EMAIL", "/email"),
        ({"email": "a@example.com\n"}, "INVALID_EMAIL", "/email"),
        ({"email": ""}, "INVALID_EMAIL", "/email"),
        ({"email": None}, "VALIDATION_FAILED", "/email"),
        ({"email": ["a@example.com"]}, "VALIDATION_FAILED", "/email"),
        ({"password": "1234567"}, "WEAK_PASSWORD", "/password"),
        ({"password": "x" * 129}, "WEAK_PASSWORD", "/password"),
        ({"password": "password1"}, "WEAK_PASSWORD", "/password"),
        ({"password": EMAIL.upper()}, "WEAK_PASSWORD", "/password"),
        ({"password": "Grace_Hopper", "username": "grace_hopper"}, "WEAK_PASSWORD", "/password"),
        ({"password": 12345678}, "VALIDATION_FAILED", "/password"),
        ({"password": "correct \ud800 horse"}, "VALIDATION_FAILED", "/password"),
        ({"username": "ab"}, "VALIDATION_FAILED", "/username"),
        ({"username": "x" * 51}, "VALIDATION_FAILED", "/username"),
        ({"username": "ada\n"}, "VALIDATION_FAILED", "/username"),
        ({"username": "ädä"}, "VALIDATION_FAILED", "/username"),
        ({"username": ""}, "VALIDATION_FAILED", "/username"),
        ({"username": 7}, "VALIDATION_FAILED", "/username"),
        ({"role": "admin"}, "VALIDATION_FAILED", "/role"),
        ({"is_active": True}, "VALIDATION_FAILED", "/is_active"),
        ({"": ""}, "VALIDATION_FAILED", "/"),
        ({"\ud800": 1}, "VALIDATION_FAILED", "/\ud800"),
    ],
)
def test_a_single_violation_gives_the_problem_its_code(client, change, code, pointer):
    body = {"email": EMAIL, "password": PASSWORD} | change

    answer = client.post("/api/v1/auth/register", body)

    assert outcome(answer) == (422, code)
    assert answer.json["errors"][0]["pointer"] == pointer
    assert answer.json["detail"] == answer.json["errors"][0]["detail"]


@pytest.mark.parametrize("name", ["email", "password"])
def test_a_missing_member_is_pointed_at(client, name):
    body = {"email": EMAIL, "password": PASSWORD}
    del body[name]

    answer = client.post("/api/v1/auth/login", body)

    assert errors(answer) == {(f"/{name}", "VALIDATION_FAILED")}


def test_the_complex_policy_asks_for_four_classes(make_client):
    client = make_client(password_policy="complex")

    answer = client.register(password="correct horse battery")

    assert outcome(answer) == (422, "WEAK_PASSWORD")
    assert len(answer.json["errors"]) == 1
    assert client.register(password="Correct horse 1!").status_code == 201


def test_a_longer_minimum_can_be_asked_for(make_client):
    client = make_client(password_min_length=15)

    assert outcome(client.register(password="fourteen chars")) == (422, "WEAK_PASSWORD")
    assert client.register(password="fifteen letters").status_code == 201


@pytest.mark.parametrize("length", [0, 4097])
@pytest.mark.parametrize("path", ["refresh", "logout"])
def test_a_refresh_token_has_1_to_4096_characters(client, path, length):
    body = {"refresh_token": "x" * length}

    assert outcome(client.post(f"/api/v1/auth/{path}", body)) == (422, "VALIDATION_FAILED")


def test_a_refresh_token_of_4096_characters_is_only_invalid(client):
    assert outcome(client.refresh("x" * 4096)) == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    "body",
    [
        {"email": SECRET, "password": PASSWORD},
        {"email": EMAIL, "password": [SECRET]},
        {"email": EMAIL, "password": "1234567", "username": SECRET + " !"},
        {"email": EMAIL, "password": PASSWORD, "extra": SECRET},
        {"email": EMAIL, "password": {"a": {"b": SECRET}}},
        SECRET,
        [SECRET],
    ],
)
@pytest.mark.parametrize("path", ["register", "login", "refresh", "logout"])
def test_refused_values_are_neither_returned_nor_logged(client, path, body, logged):
    answer = client.post(f"/api/v1/auth/{path}", body)

    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert "hunter2" not in logged.text


# Any JSON that the parser takes, as a body.
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["email", "password", "username", "refresh_token", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(anything)
def test_no_body_does_more_than_be_refused(client, body):
    for path in ("register", "login", "refresh", "logout"):
        answer = client.post(f"/api/v1/auth/{path}", body)
        assert answer.status_code in {201, 200, 204, 401, 409, 422, 429}


# OAuth asks to ignore parameters that are not known (RFC 6749, 3.1; RFC 7009, 2.1; RFC 7662, 2.1).
OPEN = {"introspect", "revoke", "provider_answer"}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_valid_and_closed_and_has_an_example(name):
    schema = SCHEMAS[name]

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"{name}.json"
    for shape in schema.get("oneOf", [schema]):
        assert shape["additionalProperties"] is (name in OPEN)
    assert schema["examples"]


# --- E-mail addresses as such


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(text):
    try:
        email = parse_email(text).text
    except EmailSyntaxError:
        pass
    else:
        assert len(email) <= 254
        assert parse_email(email).text == email
        assert email_key(email_key(email)) == email_key(email)


@pytest.mark.parametrize("text", ["a@example.test", "a@host.local", "a@localhost", "a@x.invalid"])
def test_reserved_names_are_refused(text):
    with pytest.raises(EmailSyntaxError):
        parse_email(text)


def test_a_domain_that_grows_over_the_limit_when_normalised_is_refused():
    text = "a@" + ".".join(["xn--mnchen-3ya"] * 18) + ".de"

    with pytest.raises(EmailSyntaxError):
        parse_email("ﬃ" * 60 + text)
