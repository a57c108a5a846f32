"""Argon2id: standard encoding, bounded parameters."""

from __future__ import annotations

import argon2
import pytest
from argon2.low_level import Type, hash_secret
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from falcon_auth.passwords.argon2_hasher import Argon2Hasher, Argon2Parameters

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
CHEAP = Argon2Parameters(memory_kib=16, passes=2, lanes=1)
cheap = Argon2Hasher(CHEAP)

# From the reference implementation's test.c, v=19: hashtest(version, 2, 8, 1, "password",
# "somesalt", …), its smallest memory.
REFERENCE = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
REFERENCE_TWO_LANES = (
    "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
)


@settings(deadline=None)
@given(any_text, any_text)
def test_a_hash_verifies_its_own_password_and_no_other(password, other):
    assume(password != other)

    stored = cheap.hash(password)

    assert cheap.recognises(stored)
    assert cheap.is_current(stored)
    assert cheap.verify(password, stored)
    assert not cheap.verify(other, stored)


@pytest.mark.parametrize("stored", [REFERENCE, REFERENCE_TWO_LANES])
def test_published_vectors_verify(stored):
    assert cheap.verify("password", stored)
    assert not cheap.verify("passwort", stored)


def test_the_defaults_are_owasps_and_other_libraries_can_read_them():
    hasher = Argon2Hasher()

    stored = hasher.hash("correct horse")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hasher.is_current(stored)
    assert argon2.PasswordHasher().verify(stored, "correct horse")


def encoded(*, memory=16, passes=2, lanes=1, salt=b"s" * 16, digest_bytes=32, variant=Type.ID):
    return hash_secret(b"x", salt, passes, memory, lanes, digest_bytes, variant).decode()


@pytest.mark.parametrize(
    "differs",
    [
        {"memory": 24},
        {"passes": 3},
        {"memory": 32, "lanes": 2},
        {"salt": b"s" * 8},
        {"digest_bytes": 16},
    ],
)
def test_other_parameters_verify_but_are_not_current(differs):
    stored = encoded(**differs)

    assert cheap.verify("x", stored)
    assert not cheap.is_current(stored)


GOOD = encoded()
HEAD, SALT, DIGEST = GOOD.rsplit("$", 2)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "junk",
        "é",
        "\udc80",
        GOOD + "\n",
        encoded(variant=Type.I),
        encoded(variant=Type.D),
        GOOD.replace("v=19", "v=16"),
        GOOD.replace("$v=19", ""),
        GOOD.replace("m=16", "m=016"),
        GOOD.replace("m=16", "m=7"),  # Argon2 itself needs 8 KiB a lane.
        GOOD.replace("p=1", "p=3"),
        GOOD.replace("m=16", "m=65537"),
        GOOD.replace("m=16", "m=4194304"),  # 4 GiB, if it were obeyed.
        GOOD.replace("t=2", "t=6"),
        GOOD.replace("m=16,t=2,p=1", "m=64,t=2,p=5"),
        GOOD.replace("t=2", "t=0"),
        f"{HEAD}${SALT}${DIGEST[:-2]}",  # 41 characters: no whole number of bytes.
        f"{HEAD}$c29tZXNhb${DIGEST}",
        f"{HEAD}${SALT}$aaaa",
    ],
)
def test_a_damaged_or_unbounded_hash_matches_nothing_and_costs_nothing(stored):
    calls = []
    hasher = Argon2Hasher(CHEAP, hash_secret=lambda *call: calls.append(call) or b"")

    assert not hasher.recognises(stored)
    assert not hasher.is_current(stored)
    assert not hasher.verify("x", stored)
    assert calls == []


def test_what_other_libraries_have_as_their_default_is_within_bounds():
    """RFC 9106's second recommendation: 64 MiB, three passes, four lanes."""
    assert cheap.recognises(GOOD.replace("m=16,t=2,p=1", "m=65536,t=3,p=4"))


def test_the_bounds_follow_higher_settings():
    hasher = Argon2Hasher(Argon2Parameters(memory_kib=2**17, passes=7, lanes=8))

    assert hasher.recognises(GOOD.replace("m=16,t=2,p=1", "m=131072,t=7,p=8"))


@settings(deadline=None)
@given(
    st.text()
    | st.from_regex(
        r"\A\$argon2id\$v=19\$m=[0-9]{1,3},t=[0-9],p=[0-9]"
        r"\$[A-Za-z0-9+/]{9,88}\$[A-Za-z0-9+/]{20,88}\Z"
    )
)
def test_no_stored_text_raises(stored):
    """Whatever is recognised, the library takes, unused bits in its base64 included."""
    assert cheap.verify("x", stored) in (True, False)


def test_no_work_is_spent_where_less_than_the_minimum_is_missing():
    calls = []
    hasher = Argon2Hasher(CHEAP, hash_secret=lambda *call: calls.append(call) or b"")

    hasher.spend(less=GOOD)
    hasher.spend(less=GOOD.replace("m=16", "m=9"))

    assert calls == []
