"""Published e-mail addresses: which are taken, in which form, and which are refused."""

import unicodedata

import pytest
from conftest import outcome
from vectors import load, needs_vectors

from falcon_auth.accounts.email_addresses import EmailSyntaxError, parse_email

pytestmark = needs_vectors

# Well-formed, though no such domain exists; nobody asks the network here.
WELL_FORMED = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN"}
DOTLESS = {"test@io"}  # Valid there; a domain without a dot is refused here.
VALIDATOR = load("email_python_email_validator.json") or {}
JSON_SCHEMA = load("json_schema_suite_email.json") or {}
# What the JSON Schema suite takes and this service does not: quoted local parts, literals, and
# characters that nobody can see (controls, and code points that are no characters).
UNCOMMON = ('"', "[")
UNSEEN = {"Cc", "Cn"}


def is_taken(text):
    try:
        parse_email(text)
    except EmailSyntaxError:
        return False
    return True


def rows(*names):
    return [
        pytest.param(row[0], row[1], id=f"{name}-{i}")
        for name in names
        for i, row in enumerate(VALIDATOR.get(name, []))
    ]


@pytest.mark.parametrize(
    ("address", "category"),
    [(row["address"], row["category"]) for row in load("email_isemail.json")],
)
def test_isemail(address, category):
    assert is_taken(address) == (category in WELL_FORMED and address not in DOTLESS)


@pytest.mark.parametrize(
    ("address", "forms"), rows("test_email_valid", "test_email_valid_intl_local_part")
)
def test_good_addresses_are_normalised_as_published(address, forms):
    local, _, domain = forms["normalized"].rpartition("@")

    if '"' in address or "<" in address:  # Quoted local parts and display names: not here.
        assert not is_taken(address)
    else:
        assert parse_email(address).text == f"{local}@{domain.lower()}"


@pytest.mark.parametrize(
    ("address", "_why"),
    rows(
        "test_email_valid_only_if_quoted_local_part",
        "test_email_invalid_syntax",
        "test_email_invalid_syntax_strict",
        "test_email_invalid_reserved_domain",
    ),
)
def test_bad_addresses_are_refused(address, _why):
    assert not is_taken(address)


@pytest.mark.parametrize(("character", "_name"), rows("test_email_unsafe_character"))
def test_unsafe_characters_are_refused(character, _name):
    assert not is_taken(f"{character}test@example.com")
    assert not is_taken(f"test@{character}example.com")


@pytest.mark.parametrize(
    "case",
    [case for suite in JSON_SCHEMA.values() for group in suite for case in group["tests"]],
    ids=lambda case: case["description"],
)
def test_the_json_schema_suite(case):
    text = case["data"]
    if isinstance(text, str):
        domain = text.rpartition("@")[2]
        common = not any(mark in text for mark in UNCOMMON) and "." in domain
        common = common and not UNSEEN & set(map(unicodedata.category, text))
        assert is_taken(text) == (case["valid"] and common)


def test_every_published_address_over_http(make_client, logged):
    """What the parser takes registers and logs in, in any case; what it refuses is told so."""
    client = make_client(rate_limit_enabled=False)
    published = [row["address"] for row in load("email_isemail.json")]
    published += [row[0] for rows in VALIDATOR.values() for row in rows if isinstance(row[0], str)]
    keys = set()
    for address in published:
        registered = client.register(address)
        if not is_taken(address):
            assert outcome(registered) == (422, "INVALID_EMAIL"), address
            assert outcome(client.login(address)) == (422, "INVALID_EMAIL"), address
            continue
        key = parse_email(address).key
        expected = (409, "DUPLICATE_EMAIL") if key in keys else (201, None)
        assert outcome(registered) == expected, address
        keys.add(key)
        other = unicodedata.normalize("NFD", address).upper()
        if is_taken(other) and parse_email(other).key == key:
            assert outcome(client.register(other)) == (409, "DUPLICATE_EMAIL"), address
            assert client.login(other).status_code == 200, address
    assert len(keys) > 30
    assert not logged.events("internal_error")
