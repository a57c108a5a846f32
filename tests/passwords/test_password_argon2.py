"""Argon2id: standard encoding, bounded parameters."""

from __future__ import annotations

import argon2
import pytest
from argon2.low_level import Type, hash_secret
from hashes import is_kept, recognises, verify
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from falcon_auth.passwords.argon2_hasher import Argon2Hasher, Argon2Parameters
from falcon_auth.passwords.bcrypt_hasher import BcryptHasher

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

    assert recognises(cheap, stored)
    assert is_kept(cheap, stored)
    assert verify(cheap, password, stored)
    assert not verify(cheap, other, stored)


@pytest.mark.parametrize("stored", [REFERENCE, REFERENCE_TWO_LANES])
def test_published_vectors_verify(stored):
    assert verify(cheap, "password", stored)
    assert not verify(cheap, "passwort", stored)


def test_the_defaults_are_owasps_and_other_libraries_can_read_them():
    hasher = Argon2Hasher()

    stored = hasher.hash("correct horse")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert is_kept(hasher, stored)
    assert argon2.PasswordHasher().verify(stored, "correct horse")


def encoded(*, memory=16, passes=2, lanes=1, salt=b"s" * 16, digest_bytes=32, variant=Type.ID):
    return hash_secret(b"x", salt, passes, memory, lanes, digest_bytes, variant).decode()


@pytest.mark.parametrize(
    ("differs", "kept"),
    [
        ({}, True),
        ({"memory": 24}, True),
        ({"passes": 3}, True),
        ({"memory": 32, "lanes": 2}, True),
        ({"memory": 32, "passes": 1}, True),  # The same work.
        ({"memory": 8, "passes": 4}, True),
        ({"memory": 24, "salt": b"s" * 8}, True),
        ({"memory": 24, "digest_bytes": 16}, True),
        ({"memory": 15}, False),
        ({"passes": 1}, False),
        ({"memory": 10, "passes": 3}, False),
    ],
)
def test_a_hash_is_kept_where_it_takes_todays_work_or_more(differs, kept):
    """Making a dearer one anew at today's cost would make it easier to break."""
    stored = encoded(**differs)

    assert verify(cheap, "x", stored)
    assert is_kept(cheap, stored) is kept


def test_no_hash_of_another_kind_is_kept():
    bcrypt = BcryptHasher(4)

    assert not cheap.suffices(bcrypt.parse(bcrypt.hash("x")))


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

    assert not recognises(hasher, stored)
    assert not verify(hasher, "x", stored)
    assert calls == []


def test_what_other_libraries_have_as_their_default_is_within_bounds():
    """RFC 9106's second recommendation: 64 MiB, three passes, four lanes."""
    assert recognises(cheap, GOOD.replace("m=16,t=2,p=1", "m=65536,t=3,p=4"))


def test_the_bounds_follow_higher_settings():
    hasher = Argon2Hasher(Argon2Parameters(memory_kib=2**17, passes=7, lanes=8))

    assert recognises(hasher, GOOD.replace("m=16,t=2,p=1", "m=131072,t=7,p=8"))


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
    assert verify(cheap, "x", stored) in (True, False)


def test_no_work_is_spent_where_less_than_the_minimum_is_missing():
    calls = []
    hasher = Argon2Hasher(CHEAP, hash_secret=lambda *call: calls.append(call) or b"")

    hasher.spend(less=hasher.parse(GOOD))
    hasher.spend(less=hasher.parse(GOOD.replace("m=16", "m=9")))

    assert calls == []
