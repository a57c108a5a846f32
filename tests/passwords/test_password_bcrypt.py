"""bcrypt: every character counts, and a stored hash is not trusted."""

from __future__ import annotations

import base64
import hashlib

import bcrypt
import pytest
from hashes import is_kept, recognises, verify
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from falcon_auth.passwords.argon2_hasher import Argon2Hasher, Argon2Parameters
from falcon_auth.passwords.bcrypt_hasher import MAX_BCRYPT_BYTES, BcryptHasher

# "U*U" and "" from the test vectors of crypt_blowfish; the former in each version.
U_STAR_U = "$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
EMPTY = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
cheap = BcryptHasher(4)


@settings(deadline=None)
@given(any_text, any_text)
def test_a_hash_verifies_its_own_password_and_no_other(password, other):
    assume(password != other)

    stored = cheap.hash(password)

    assert recognises(cheap, stored)
    assert is_kept(cheap, stored)
    assert verify(cheap, password, stored)
    assert not verify(cheap, other, stored)


@pytest.mark.parametrize("character", ["a", "é", "€", "🦅"])
@pytest.mark.parametrize("extra_bytes", [-1, 0, 1, 100])
def test_every_character_counts_around_72_bytes(character, extra_bytes):
    """bcrypt itself would ignore, or its library refuse, all after the 72nd byte."""
    width = len(character.encode())
    password = character * ((MAX_BCRYPT_BYTES + extra_bytes) // width)

    stored = cheap.hash(password)

    assert verify(cheap, password, stored)
    assert not verify(cheap, password + character, stored)
    assert not verify(cheap, password[:-1], stored)
    assert not verify(cheap, password[:-1] + "b", stored)


def test_72_bytes_go_to_bcrypt_as_they_are_and_73_do_not():
    """So that hashes of other services, for passwords of ordinary length, stay valid here."""
    fits, too_long = "x" * 72, "x" * 73

    assert bcrypt.checkpw(fits.encode(), cheap.hash(fits).encode())
    assert not bcrypt.checkpw(fits.encode(), cheap.hash(too_long).encode())


def test_a_nul_is_a_character_like_any_other():
    """bcrypt repeats its key with a NUL after each turn: to it, these two are one password."""
    salt = bcrypt.gensalt(4)
    assert bcrypt.hashpw(b"a", salt) == bcrypt.hashpw(b"a\0a", salt)

    stored = cheap.hash("a")

    assert not verify(cheap, "a\0a", stored)
    assert not verify(cheap, "a\0", stored)
    assert verify(cheap, "a\0a", cheap.hash("a\0a"))
    assert not verify(cheap, "a", cheap.hash("a\0a"))


def test_a_digest_from_another_breach_does_not_verify():
    """Shucking: an unsalted digest of a long password must be no candidate for its hash."""
    password = "correct horse battery staple " * 3
    digest = hashlib.sha256(password.encode()).digest()

    stored = cheap.hash(password)

    assert not verify(cheap, base64.b64encode(digest).decode(), stored)
    assert not verify(cheap, digest.hex(), stored)


def test_the_pre_hash_depends_on_the_salt():
    """Two accounts with one long password give bcrypt two different keys."""
    keys = []

    def remember(key, salt):
        keys.append(key)
        return bcrypt.hashpw(key, salt)

    hasher = BcryptHasher(4, hashpw=remember)

    hasher.hash("long" * 20)
    hasher.hash("long" * 20)

    assert keys[0] != keys[1]
    assert all(len(key) <= MAX_BCRYPT_BYTES and b"\0" not in key for key in keys)


@pytest.mark.parametrize("version", ["$2a", "$2b", "$2y"])
def test_published_vectors_of_every_version_verify(version):
    assert verify(cheap, "U*U", version + U_STAR_U)
    assert not verify(cheap, "U*V", version + U_STAR_U)


def test_the_published_vector_of_the_empty_password_verifies():
    assert verify(cheap, "", EMPTY)


@pytest.mark.parametrize("version", ["$2a", "$2b", "$2y"])
@pytest.mark.parametrize(
    ("cost", "kept"), [("04", False), ("05", True), ("06", True), ("15", True)]
)
def test_a_hash_is_kept_at_todays_cost_or_above_it(version, cost, kept):
    """Making a dearer one anew at today's cost would make it easier to break."""
    assert is_kept(BcryptHasher(5), version + U_STAR_U.replace("$05$", f"${cost}$")) is kept


def test_no_hash_of_another_kind_is_kept():
    argon2 = Argon2Hasher(Argon2Parameters(memory_kib=16, passes=1))

    assert not BcryptHasher(4).suffices(argon2.parse(argon2.hash("x")))


def test_the_default_cost_is_12():
    costs = []
    BcryptHasher(hashpw=lambda _key, salt: costs.append(salt[:7]) or salt).spend()

    assert costs == [b"$2b$12$"]


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "junk",
        "é" * 60,
        "\udc80",
        "$2b$",
        "$2x" + U_STAR_U,  # The buggy variant: collisions.
        "$2" + U_STAR_U,
        "$2b" + U_STAR_U + "\n",
        "$2b" + U_STAR_U[:-1],
        "$2b" + U_STAR_U.replace(".E5", "/E5"),  # Salt bits that the library refuses.
        "$2b" + U_STAR_U[:-1] + "X",  # Digest bits that nothing produces.
        "$2b" + U_STAR_U.replace("$05$", "$\u0660\u0665$"),
        "$2b" + U_STAR_U.replace("$05$", "$03$"),
        "$2b" + U_STAR_U.replace("$05$", "$16$"),
        "$2b" + U_STAR_U.replace("$05$", "$31$"),  # Days of work, if it were obeyed.
    ],
)
def test_a_damaged_or_unbounded_hash_matches_nothing_and_costs_nothing(stored):
    calls = []
    hasher = BcryptHasher(4, hashpw=lambda _key, salt: calls.append(salt) or salt)

    assert not recognises(hasher, stored)
    assert not verify(hasher, "U*U", stored)
    assert calls == []


def test_the_bound_follows_a_higher_setting():
    assert recognises(BcryptHasher(16), "$2b" + U_STAR_U.replace("$05$", "$16$"))


# Costs that are quick, or out of bounds; those between would only take long.
hash_like = st.from_regex(r"\A\$2[abxy]\$(0[0-5]|1[6-9]|[2-9][0-9])\$[./A-Za-z0-9]{50,54}\Z")


@settings(deadline=None)
@given(st.text() | hash_like)
def test_no_stored_text_raises(stored):
    """Whatever is recognised, the library takes."""
    assert verify(cheap, "x", stored) in (True, False)
