"""The rules of accounts hold for every caller, and are told all at once."""

from __future__ import annotations

import json
from functools import partial

import pytest
from conftest import EMAIL, PASSWORD, outcome

from falcon_auth.accounts import rules
from falcon_auth.audit.trail import COMMAND
from falcon_auth.errors import InvalidBodyError
from falcon_auth.models import Client as Device

INVALID = ("/username", "VALIDATION_FAILED")
WEAK = ("/password", "WEAK_PASSWORD")
BAD_EMAIL = ("/email", "INVALID_EMAIL")


def told(refused):
    return [(each.pointer, each.code) for each in refused.value.violations]


def errors(answer):
    return [(each["pointer"], each["code"]) for each in answer.json["errors"]]


@pytest.fixture
def service(client):
    return client.app.service


@pytest.fixture(params=["registration", "administration"])
def make_user(service, request):
    """Each of the use cases that make a user with a password."""
    if request.param == "administration":
        return partial(service.administration.create, actor=COMMAND)
    return lambda **account: service.registration.register(client=Device(), **account)


@pytest.mark.parametrize(
    ("account", "violations"),
    [
        (
            {"email": "nobody", "password": "x", "username": "not a name!"},
            [BAD_EMAIL, INVALID, WEAK],
        ),
        ({"email": EMAIL, "password": "x", "username": "not a name!"}, [INVALID, WEAK]),
        ({"email": "nobody", "password": PASSWORD, "username": None}, [BAD_EMAIL]),
        ({"email": EMAIL, "password": EMAIL, "username": None}, [WEAK]),
        (
            {"email": EMAIL, "password": PASSWORD + "\ud800", "username": "ada"},
            [("/password", "VALIDATION_FAILED")],
        ),
    ],
)
def test_making_a_user_tells_every_violation(service, make_user, account, violations):
    with pytest.raises(InvalidBodyError) as refused:
        make_user(**account)

    assert told(refused) == violations
    assert list(service.administration.users()) == []


def test_a_refused_registration_does_not_count_as_one(make_client):
    client = make_client(rate_limit_registrations=1)

    client.register(password="x")

    assert client.register().status_code == 201


def test_a_user_with_a_hash_of_their_own_is_held_to_the_other_rules(service):
    with pytest.raises(InvalidBodyError) as refused:
        service.administration.create_with_hash(
            email="nobody", username="not a name!", password_hash="$2b$", actor=COMMAND
        )

    assert told(refused) == [BAD_EMAIL, INVALID]


@pytest.mark.parametrize("new", ["x", "password1", EMAIL, "Lovelace_1815"])
def test_changing_the_password_goes_by_the_policy_before_anything_is_compared(client, new):
    user = client.register(username="lovelace_1815")
    service = client.app.service
    caller = service.sessions.authenticate(user.json["access_token"])

    with pytest.raises(InvalidBodyError) as refused:
        service.password_change.change(
            caller, current_password="wrong", new_password=new, client=Device()
        )

    assert told(refused) == [("/new_password", "WEAK_PASSWORD")]


def test_a_log_in_with_what_is_not_an_address_is_not_understood(service):
    with pytest.raises(InvalidBodyError) as refused:
        service.login.log_in(email="nobody", password=PASSWORD, client=Device())

    assert told(refused) == [BAD_EMAIL]


def test_an_address_for_another_member_is_pointed_at_there():
    with pytest.raises(InvalidBodyError) as refused:
        rules.check_email("nobody", pointer="/new_email")

    assert told(refused) == [("/new_email", "INVALID_EMAIL")]


# --- Over HTTP


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {("/email", "VALIDATION_FAILED"), ("/password", "VALIDATION_FAILED")}),
        (
            {"email": "nobody", "password": "password1", "x": 1},
            {("/x", "VALIDATION_FAILED"), BAD_EMAIL, WEAK},
        ),
        ({"password": "password1"}, {("/email", "VALIDATION_FAILED"), WEAK}),
        ({"email": 7, "password": "x"}, {("/email", "VALIDATION_FAILED"), WEAK}),
        (
            {"email": EMAIL, "password": "x\ud800", "username": "\ud800"},
            {("/password", "VALIDATION_FAILED"), INVALID},
        ),
    ],
)
def test_registering_tells_what_breaks_schema_and_rules_at_once(client, body, expected):
    answer = client.post("/api/v1/auth/register", body)

    assert answer.status_code == 422
    assert set(errors(answer)) == expected
    assert len(errors(answer)) == len(expected)


def test_changing_the_password_tells_what_breaks_schema_and_policy_at_once(client, user):
    answer = client.as_user(
        "PUT", "/api/v1/auth/password", user, json={"new_password": "password1", "x": 1}
    )

    assert set(errors(answer)) == {
        ("/current_password", "VALIDATION_FAILED"),
        ("/new_password", "WEAK_PASSWORD"),
        ("/x", "VALIDATION_FAILED"),
    }


def test_a_log_in_tells_a_missing_password_and_a_bad_address_at_once(client):
    answer = client.post("/api/v1/auth/login", {"email": "nobody"})

    assert set(errors(answer)) == {BAD_EMAIL, ("/password", "VALIDATION_FAILED")}


def test_no_more_than_50_violations_are_reported(client):
    body = {f"x{number}": 1 for number in range(500)} | {"email": EMAIL, "password": "x"}
    assert len(json.dumps(body)) < 16 * 1024

    answer = client.post("/api/v1/auth/register", body)

    assert outcome(answer) == (422, "VALIDATION_FAILED")
    assert len(answer.json["errors"]) == 50
    assert WEAK in errors(answer)
