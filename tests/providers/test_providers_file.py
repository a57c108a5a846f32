"""PROVIDERS_FILE: every fault refuses the start and is named, but no value of the file is."""

import json

import pytest
from lying_provider import write_entries

from falcon_auth.errors import ConfigurationError
from falcon_auth.providers.configuration import ProvidersFileError, read_providers

HIDDEN = "hidden-value"
GOOD = {
    "name": "idp",
    "title": "The Provider",
    "issuer": "https://id.example.com",
    "client_id": HIDDEN,
    "client_secret": HIDDEN,
}
APPLE = {
    "name": "apple",
    "preset": "apple",
    "client_id": HIDDEN,
    "team_id": "TEAM567890",
    "key_id": "KEY4567890",
    "private_key_file": "key.p8",
}


def faults_of(content, environment=None, *, insecure=False):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(ProvidersFileError) as caught:
        read_providers(data, environment or {}, insecure=insecure)
    assert HIDDEN not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[", f"[{HIDDEN}]".encode(), b"\xff", b'[{"a":1,"a":2}]'])
def test_what_is_not_json_is_refused(data):
    assert faults_of(data) == "is not JSON"


@pytest.mark.parametrize(
    ("content", "place", "rule"),
    [
        ({}, "$", "type"),
        ([], "$", "minItems"),
        ([{"name": "idp"}], "$[0]", "required"),
        ([GOOD | {"name": HIDDEN.upper()}], "$[0].name", "pattern"),
        ([GOOD | {"issuer": f"ftp://{HIDDEN}"}], "$[0].issuer", "pattern"),
        ([GOOD | {"issuer": f"https://id.example.com?{HIDDEN}"}], "$[0].issuer", "pattern"),
        ([GOOD, GOOD | {"client_secret": 7}], "$[1].client_secret", "type"),
        ([GOOD | {"secret": HIDDEN}], "$[0]", "additionalProperties"),
        ([GOOD | {"client_authentication": HIDDEN}], "$[0].client_authentication", "enum"),
        ([GOOD | {"scopes": ["open id"]}], "$[0].scopes[0]", "pattern"),
        ([GOOD | {"tenant": "common"}], "$[0].tenant", "not"),
        ([{"name": "idp", "client_id": HIDDEN}], "$[0]", "required"),
        ([APPLE | {"client_secret": HIDDEN}], "$[0].client_secret", "not"),
        ([APPLE | {"team_id": HIDDEN}], "$[0].team_id", "pattern"),
    ],
    ids=str,
)
def test_a_fault_names_its_place_and_the_rule(content, place, rule):
    said = set(faults_of(content).splitlines())  # The same for each member that is missing.

    assert said == {f"{place}: breaks the rule {rule} of providers_file.json"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"client_secret": None}, "has no client_secret; set PROVIDER_IDP_CLIENT_SECRET"),
        ({"scopes": ["email"]}, "its scopes lack openid"),
        ({"issuer": "http://id.example.com"}, "its issuer begins with https://"),
        ({"issuer": "http://127.0.0.1:8080"}, "its issuer begins with https://"),
    ],
    ids=str,
)
def test_a_fault_of_one_provider_names_it(changes, fault):
    entry = {name: value for name, value in (GOOD | changes).items() if value is not None}

    assert faults_of([entry]) == f"idp: {fault}"


def test_a_name_is_there_once():
    assert faults_of([GOOD, GOOD, GOOD | {"name": "other"}]) == "idp: is there twice"


def test_an_issuer_on_this_machine_may_be_http_outside_production():
    entry = GOOD | {"issuer": "http://127.0.0.1:8080"}

    [found] = read_providers(json.dumps([entry]).encode(), {}, insecure=True)

    assert found.issuer == "http://127.0.0.1:8080"
    assert faults_of([entry | {"issuer": "http://192.0.2.1"}], insecure=True)


def test_a_secret_of_the_environment_is_not_shown():
    entry = {name: value for name, value in GOOD.items() if name != "client_secret"}
    environment = {"PROVIDER_MY_IDP_CLIENT_SECRET": "of the environment"}

    [found] = read_providers(
        json.dumps([entry | {"name": "my-idp"}]).encode(), environment, insecure=False
    )

    assert found.client_secret == "of the environment"
    assert "of the environment" not in repr(found)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "apple: its private_key_file cannot be read: No such file or directory"),
        (HIDDEN, "apple: its private_key_file is not the .p8 file of an Apple key"),
        ("ä" + HIDDEN, "apple: its private_key_file is not the .p8 file of an Apple key"),
    ],
)
def test_apples_key_file_has_to_be_one(make_client, tmp_path, content, fault):
    key = tmp_path / "key.p8"
    if content is not None:
        key.write_text(content, encoding="utf-8")
    file = write_entries(tmp_path, APPLE | {"private_key_file": str(key)})

    with pytest.raises(ConfigurationError) as caught:
        make_client(providers_file=file, return_urls=("https://app.example.com",))

    assert str(caught.value) == f"PROVIDERS_FILE: {fault}"


def test_a_file_that_cannot_be_read_is_named(make_client, tmp_path):
    with pytest.raises(ConfigurationError, match="PROVIDERS_FILE: cannot be read: No such file"):
        make_client(
            providers_file=tmp_path / "nowhere.json", return_urls=("https://app.example.com",)
        )
