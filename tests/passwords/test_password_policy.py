"""The password policy: what is refused, and that no sentence tells the password."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from falcon_auth.passwords.policy import MAX_PASSWORD_LENGTH, PasswordPolicy, normalise

TOO_SHORT = "The password must have 8 characters or more."
TOO_LONG = "The password may have 128 characters at most."
COMMON = "The password is among the most common ones, or follows a common pattern."
IS_EMAIL = "The password must not be the e-mail address."
IS_USERNAME = "The password must not be the user name."
NO_UPPER = "The password must have an upper-case letter."
NO_LOWER = "The password must have a lower-case letter."
NO_DIGIT = "The password must have a digit."
NO_SYMBOL = "The password must have a symbol."
SENTENCES = {
    TOO_SHORT,
    TOO_LONG,
    COMMON,
    IS_EMAIL,
    IS_USERNAME,
    NO_UPPER,
    NO_LOWER,
    NO_DIGIT,
    NO_SYMBOL,
}


def faults(password, *, email=None, username=None, **policy):
    return PasswordPolicy(**policy).faults(password, email=email, username=username)


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("", [TOO_SHORT]),
        ("kqstvx1", [TOO_SHORT]),
        ("kestrels", []),
        ("🦅 🦉 🦆 🐦", [TOO_SHORT]),
        ("🦅 🦉🦆 🐦 🦅", []),
        ("ke\u0301strom", []),  # Eight code points as sent, seven after NFKC.
        ("\ufdfa" * 7, [TOO_SHORT]),  # Seven as sent, 126 after NFKC.
        (("kestrels and herons over the marshes " * 4)[:128], []),
        ("x" * 129, [TOO_LONG]),
        ("password", [COMMON]),
        ("PassWord", [COMMON]),
        ("\uff50\uff41\uff53\uff53word", [COMMON]),  # Full-width letters.
        ("qwerty", [TOO_SHORT, COMMON]),
    ],
)
def test_the_basic_policy(password, expected):
    assert faults(password) == expected


@pytest.mark.parametrize("password", ["Ada@Example.com", "ada@example.com", "ada\uff20example.com"])
def test_the_email_address_is_refused_in_any_form(password):
    assert faults(password, email="ADA@example.com") == [IS_EMAIL]


def test_the_user_name_is_refused_in_any_case():
    assert faults("Lovelace_1815", username="lovelace_1815") == [IS_USERNAME]


def test_the_local_part_of_the_address_is_allowed():
    assert faults("lovelace1815", email="lovelace1815@example.com", username="ada") == []


def test_names_that_are_longer_than_any_name_are_not_folded():
    """Folding is quadratic in runs of combining marks, and 16 KiB of them fit into a body."""
    ligature, spelt_out = "\ufdfa", normalise("\ufdfa")  # One character for eighteen.

    assert faults(ligature * 14, email=spelt_out * 14) == [IS_EMAIL]
    assert faults(ligature * 15, email=spelt_out * 15) == []


def test_several_faults_are_reported_at_once():
    assert faults("abc123", email="abc123", username="abc123") == [
        TOO_SHORT,
        COMMON,
        IS_EMAIL,
        IS_USERNAME,
    ]


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("kestrels", [NO_UPPER, NO_DIGIT, NO_SYMBOL]),
        ("KESTREL5!", [NO_LOWER]),
        ("Kestrel5!", []),
        ("Kestrel 5", []),
        ("Éperv\u0456er٣€", []),  # Any script's letters and digits.
        ("鷹は空を高く飛ぶ", [NO_UPPER, NO_LOWER, NO_DIGIT, NO_SYMBOL]),
    ],
)
def test_the_complex_policy_asks_for_four_classes(password, expected):
    assert faults(password, complex=True) == expected


def test_the_minimum_is_a_setting():
    assert faults("fourteen chars", min_length=15) == [
        "The password must have 15 characters or more.",
    ]


@given(password=st.text(st.characters(), max_size=140), ask_for_classes=st.booleans())
@example(password="\ud800" * 9, ask_for_classes=True)
@example(password="\udcff", ask_for_classes=False)
def test_no_password_makes_the_policy_raise_or_is_quoted(password, ask_for_classes):
    """Lone surrogates included: they are refused elsewhere, and must get there."""
    told = faults(password, email=password, username=password, complex=ask_for_classes)

    assert set(told) <= SENTENCES


def test_over_long_passwords_are_not_normalised():
    """Ten million combining marks would take hours; the test's time limit is the assertion."""
    assert faults("\u0301\u0323" * 5_000_000) == [TOO_LONG]


@given(st.text(max_size=MAX_PASSWORD_LENGTH))
def test_normalising_again_changes_nothing(password):
    assert normalise(normalise(password)) == normalise(password)
