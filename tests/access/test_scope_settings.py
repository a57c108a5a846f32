"""SCOPES and FACTOR_REQUIRED_ROLES: checked at start-up."""

import pytest
from pydantic import ValidationError

from falcon_auth.testing.service import settings_of


def faults(**values):
    try:
        settings_of(values)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ").splitlines()
    return []


def test_scopes_and_roles_are_lists():
    settings = settings_of({"scopes": "notes:read, notes:write", "factor_required_roles": "a,b"})

    assert settings.scopes == ("notes:read", "notes:write")
    assert settings.factor_required_roles == ("a", "b")


@pytest.mark.parametrize("wrong", ["two words", 'quo"te', "ä"])
def test_what_is_not_a_scope_is_refused_and_not_repeated(wrong):
    told = faults(scopes=["notes:read", wrong])

    assert told == ["SCOPES: number 2 is not a scope, a word such as notes:write"]


def test_all_scopes_together_fit_into_a_token():
    assert faults(scopes=["a" * 900]) == []
    assert faults(scopes=["a" * 1000]) == [
        "SCOPES: with the service's own, at most 1024 characters"
    ]


def test_what_cannot_be_the_name_of_a_role_is_refused():
    assert faults(factor_required_roles=["admin", "Editor"]) == [
        "FACTOR_REQUIRED_ROLES: number 2 is not the name of a role"
    ]
