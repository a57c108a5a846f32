"""Django's PBKDF2: imported hashes are verified, bounded, and replaced."""

import base64
import hashlib

import pytest
from hashes import recognises, verify
from hypothesis import given
from hypothesis import strategies as st

from falcon_auth.passwords import HashingPool, make_passwords
from falcon_auth.passwords.pbkdf2_hasher import (
    MAX_STORED_ITERATIONS,
    MIN_STORED_ITERATIONS,
    Pbkdf2Verifier,
)

# RFC 7914, section 11: PBKDF2-HMAC-SHA256 of "Password" and "NaCl" over 80,000 iterations.
PUBLISHED = bytes.fromhex("4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56")
DIGEST = "A" * 43 + "="


def django(password, iterations=MIN_STORED_ITERATIONS, salt="seasalt"):
    """Encode as `django.contrib.auth.hashers.PBKDF2PasswordHasher` does."""
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), iterations)
    return f"pbkdf2_sha256${iterations}${salt}${base64.b64encode(digest).decode()}"


class Counting:
    """A pbkdf2 that keeps count of what it was asked for."""

    def __init__(self):
        self.iterations = []

    def __call__(self, name, password, salt, iterations):
        self.iterations.append(iterations)
        return bytes(32)


@pytest.fixture
def pool():
    pool = HashingPool(1, 4)
    yield pool
    pool.close(5)


def test_a_published_vector_verifies():
    stored = f"pbkdf2_sha256$80000$NaCl${base64.b64encode(PUBLISHED).decode()}"

    assert verify(Pbkdf2Verifier(), "Password", stored)
    assert not verify(Pbkdf2Verifier(), "password", stored)


@pytest.mark.parametrize(
    "stored",
    [
        "pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=",
        "pbkdf2_sha256$180000$seasalt$gH56uAM9k5UGHuCzAYqLtJQ7AFgnXEZ4LMzt71ldHoc=",
        "pbkdf2_sha256$870000$seasalt$wJSpLMQRQz0Dhj/pFpbyjMj71B2gUYp6HJS5AU+32Ac=",
    ],
)
def test_hashes_that_django_wrote_verify(stored):
    """From the tests of Django 1.5, 3.0 and 5.1 (tests/auth_tests/test_hashers.py)."""
    assert verify(Pbkdf2Verifier(), "lètmein", stored)
    assert not verify(Pbkdf2Verifier(), "letmein", stored)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "pbkdf2_sha256",
        f"pbkdf2_sha1$1000$salt${DIGEST}",
        f"pbkdf2_sha256${MIN_STORED_ITERATIONS - 1}$salt${DIGEST}",
        f"pbkdf2_sha256${MAX_STORED_ITERATIONS + 1}$salt${DIGEST}",
        f"pbkdf2_sha256$99999999999999999999$salt${DIGEST}",
        f"pbkdf2_sha256$01000$salt${DIGEST}",
        f"pbkdf2_sha256$-1000$salt${DIGEST}",
        f"pbkdf2_sha256$\u0661\u0660\u0660\u0660$salt${DIGEST}",
        f"pbkdf2_sha256$1000$${DIGEST}",
        f"pbkdf2_sha256$1000$sa lt${DIGEST}",
        f"pbkdf2_sha256$1000${'s' * 129}${DIGEST}",
        f"pbkdf2_sha256$1000$salt${'A' * 42}B=",  # Bits beyond the digest's.
        f"pbkdf2_sha256$1000$salt${DIGEST[:-1]}",
        f"pbkdf2_sha256$1000$salt${DIGEST}\n",
        f" pbkdf2_sha256$1000$salt${DIGEST}",
    ],
)
def test_what_is_damaged_or_beyond_bounds_is_refused_without_work(stored):
    counting = Counting()
    verifier = Pbkdf2Verifier(pbkdf2=counting)

    assert not recognises(verifier, stored)
    assert not verify(verifier, "password", stored)
    assert counting.iterations == []


@pytest.mark.parametrize("iterations", [MIN_STORED_ITERATIONS, 1_200_000, MAX_STORED_ITERATIONS])
def test_iterations_within_bounds_are_obeyed(iterations):
    counting = Counting()
    verifier = Pbkdf2Verifier(pbkdf2=counting)

    assert verify(verifier, "password", f"pbkdf2_sha256${iterations}$salt${DIGEST}")
    assert counting.iterations == [iterations]


@given(st.text(max_size=200))
def test_no_stored_text_makes_it_raise(stored):
    assert not verify(Pbkdf2Verifier(pbkdf2=Counting()), "password", f"pbkdf2_sha256${stored}")


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_every_character_counts(password):
    verifier = Pbkdf2Verifier()

    assert verify(verifier, password, django(password))
    assert not verify(verifier, password + "x", django(password))


@pytest.mark.parametrize(("today", "prefix"), [("bcrypt", "$2b$04$"), ("argon2", "$argon2id$")])
def test_a_log_in_replaces_it_by_today_s_kind(pool, today, prefix):
    passwords = make_passwords(today, bcrypt_rounds=4, pool=pool)
    stored = django("correct horse")

    assert passwords.recognises(stored)
    wrong = passwords.check("wrong horse", stored)
    assert (wrong.matches, wrong.upgraded, wrong.damaged) == (False, None, False)
    right = passwords.check("correct horse", stored)
    assert right.matches
    assert right.upgraded.startswith(prefix)
    assert passwords.check("correct horse", right.upgraded).matches
