"""Checking a password: the verdicts, and what each of them costs."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

import bcrypt
import pytest
from argon2.low_level import hash_secret
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon_auth.errors import AbandonedError
from falcon_auth.passwords import (
    HashingPool,
    Passwords,
    Verdict,
    make_passwords,
)
from falcon_auth.passwords.argon2_hasher import Argon2Hasher, Argon2Parameters
from falcon_auth.passwords.bcrypt_hasher import BcryptHasher

PASSWORD = "correct horse battery staple"
SURROGATE = PASSWORD + "\udc80"
TOO_LONG = "x" * 129
COST = 6
BCRYPT_WORK = 2**COST
ARGON2 = Argon2Parameters(memory_kib=256, passes=2)
OLD_ARGON2 = Argon2Parameters(memory_kib=64, passes=3)


class CountingPool(HashingPool):
    trips = 0

    def run(self, job, **options):
        self.trips += 1
        return super().run(job, **options)


@dataclass
class Meter:
    """Real hash functions that write down the work each call does."""

    bcrypt: list[int] = field(default_factory=list)  # Steps: 2 to the power of the cost.
    argon2: list[int] = field(default_factory=list)  # KiB filled: memory times passes.

    def hashpw(self, key, salt):
        self.bcrypt.append(2 ** int(salt[4:6]))
        return bcrypt.hashpw(key, salt)

    def hash_secret(self, secret, salt, passes, memory_kib, *rest):
        self.argon2.append(memory_kib * passes)
        return hash_secret(secret, salt, passes, memory_kib, *rest)

    @property
    def work(self):
        return {"bcrypt": sum(self.bcrypt), "argon2": sum(self.argon2)}


@pytest.fixture(scope="module")
def pool():
    pool = CountingPool(workers=2, queue_size=8)
    yield pool
    pool.close(30)


@pytest.fixture
def meter():
    return Meter()


@pytest.fixture
def under_bcrypt(pool, meter):
    """Today's setting is bcrypt; Argon2 is the older kind."""
    today = BcryptHasher(COST, hashpw=meter.hashpw)
    return Passwords(today, [Argon2Hasher(ARGON2, hash_secret=meter.hash_secret)], pool)


@pytest.fixture
def under_argon2(pool, meter):
    """Today's setting is Argon2; bcrypt is the older kind."""
    today = Argon2Hasher(ARGON2, hash_secret=meter.hash_secret)
    return Passwords(today, [BcryptHasher(COST, hashpw=meter.hashpw)], pool)


CURRENT_BCRYPT = BcryptHasher(COST).hash(PASSWORD)
CURRENT_ARGON2 = Argon2Hasher(ARGON2).hash(PASSWORD)
# By name, since salts are random and the name of a test must not be.
STORED = {
    "unknown account": None,
    "bcrypt": CURRENT_BCRYPT,
    "cheaper bcrypt": BcryptHasher(4).hash(PASSWORD),
    "dearer bcrypt": BcryptHasher(COST + 1).hash(PASSWORD),
    "bcrypt from PHP": CURRENT_BCRYPT.replace("$2b$", "$2y$"),
    "unbounded bcrypt": CURRENT_BCRYPT.replace("$06$", "$31$"),
    "argon2": CURRENT_ARGON2,
    "cheaper argon2": Argon2Hasher(OLD_ARGON2).hash(PASSWORD),
    "dearer argon2": Argon2Hasher(Argon2Parameters(memory_kib=512, passes=3)).hash(PASSWORD),
    "unbounded argon2": CURRENT_ARGON2.replace("m=256", "m=4194304"),
    "empty": "",
    "cut": CURRENT_BCRYPT[:-1],
}

NO_MATCH, MATCH = Verdict(matches=False), Verdict(matches=True)
DAMAGED = Verdict(matches=False, damaged=True)


@pytest.mark.parametrize(
    ("password", "stored", "verdict", "bcrypt_calls", "argon2_work"),
    [
        (PASSWORD, "bcrypt", MATCH, [64], 0),
        ("wrong", "bcrypt", NO_MATCH, [64], 0),
        (PASSWORD, "dearer bcrypt", MATCH, [128], 0),
        (PASSWORD, "bcrypt from PHP", MATCH, [64], 0),
        (PASSWORD, "unknown account", NO_MATCH, [64], 0),
        (SURROGATE, "unknown account", NO_MATCH, [64], 0),
        (SURROGATE, "bcrypt", NO_MATCH, [64], 0),
        (TOO_LONG, "unknown account", NO_MATCH, [64], 0),
        (TOO_LONG, "bcrypt", NO_MATCH, [64], 0),
        (TOO_LONG, "cheaper bcrypt", NO_MATCH, [64], 0),
        (TOO_LONG, "argon2", NO_MATCH, [64], 0),
        ("wrong", "cheaper bcrypt", NO_MATCH, [16, 16, 32], 0),
        ("wrong", "bcrypt from PHP", NO_MATCH, [64], 0),
        (PASSWORD, "empty", DAMAGED, [64], 0),
        (PASSWORD, "cut", DAMAGED, [64], 0),
        (PASSWORD, "unbounded bcrypt", DAMAGED, [64], 0),
        (PASSWORD, "unbounded argon2", DAMAGED, [64], 0),
        # The stored hash asks for more than today's cost, and there is no other way to check it.
        ("wrong", "dearer bcrypt", NO_MATCH, [128], 0),
        ("wrong", "argon2", NO_MATCH, [64], ARGON2.work),
    ],
)
def test_a_check_under_bcrypt_costs(
    under_bcrypt, pool, meter, password, stored, verdict, bcrypt_calls, argon2_work
):
    trips = pool.trips

    assert under_bcrypt.check(password, STORED[stored]) == verdict

    assert meter.bcrypt == bcrypt_calls
    assert meter.work["argon2"] == argon2_work
    assert pool.trips == trips + 1


@pytest.mark.parametrize(
    ("password", "stored", "verdict", "argon2_calls", "bcrypt_work"),
    [
        (PASSWORD, "argon2", MATCH, [512], 0),
        ("wrong", "argon2", NO_MATCH, [512], 0),
        (PASSWORD, "dearer argon2", MATCH, [1536], 0),
        ("wrong", "dearer argon2", NO_MATCH, [1536], 0),
        (PASSWORD, "unknown account", NO_MATCH, [512], 0),
        (SURROGATE, "argon2", NO_MATCH, [512], 0),
        (TOO_LONG, "argon2", NO_MATCH, [512], 0),
        (TOO_LONG, "cheaper argon2", NO_MATCH, [512], 0),
        (TOO_LONG, "bcrypt", NO_MATCH, [512], 0),
        ("wrong", "cheaper argon2", NO_MATCH, [192, 320], 0),
        ("wrong", "bcrypt", NO_MATCH, [512], BCRYPT_WORK),
        (PASSWORD, "unbounded argon2", DAMAGED, [512], 0),
        (PASSWORD, "cut", DAMAGED, [512], 0),
    ],
)
def test_a_check_under_argon2_costs(
    under_argon2, pool, meter, password, stored, verdict, argon2_calls, bcrypt_work
):
    trips = pool.trips

    assert under_argon2.check(password, STORED[stored]) == verdict

    assert meter.argon2 == argon2_calls
    assert meter.work["bcrypt"] == bcrypt_work
    assert pool.trips == trips + 1


@pytest.mark.parametrize("stored", ["cheaper bcrypt", "argon2"])
def test_the_right_password_upgrades_an_older_hash_in_the_same_trip(under_bcrypt, pool, stored):
    trips = pool.trips

    verdict = under_bcrypt.check(PASSWORD, STORED[stored])

    assert pool.trips == trips + 1
    assert verdict.matches
    assert under_bcrypt.check(PASSWORD, verdict.upgraded) == MATCH


class CountingBcrypt(BcryptHasher):
    parsed = 0

    def parse(self, stored):
        self.parsed += 1
        return super().parse(stored)


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
@pytest.mark.parametrize("stored", ["bcrypt", "cheaper bcrypt", "dearer bcrypt"])
def test_a_stored_hash_is_parsed_once(pool, stored, password):
    today = CountingBcrypt(COST)

    Passwords(today, [], pool).check(password, STORED[stored])

    assert today.parsed == 1


@pytest.mark.parametrize("stored", ["cheaper argon2", "bcrypt"])
def test_upgrades_go_towards_argon2_as_well(under_argon2, pool, meter, stored):
    trips = pool.trips

    verdict = under_argon2.check(PASSWORD, STORED[stored])

    assert pool.trips == trips + 1
    assert meter.argon2[-1] == ARGON2.work
    assert under_argon2.check(PASSWORD, verdict.upgraded) == MATCH


def test_unknown_and_wrong_cost_the_same_at_the_real_settings(pool, meter):
    """Counted, not timed: one hash at cost 12 each."""
    passwords = Passwords(BcryptHasher(hashpw=meter.hashpw), [], pool)
    stored = passwords.hash(PASSWORD)
    meter.bcrypt.clear()

    passwords.check("wrong", stored)
    passwords.check("wrong", None)

    assert meter.bcrypt == [2**12, 2**12]


def test_hashing_is_one_trip_and_one_hash(under_bcrypt, pool, meter):
    trips = pool.trips

    stored = under_bcrypt.hash(PASSWORD)

    assert (pool.trips - trips, meter.bcrypt) == (1, [BCRYPT_WORK])
    assert bcrypt.checkpw(PASSWORD.encode(), stored.encode())


def test_over_long_passwords_are_not_normalised(under_bcrypt):
    """Ten million combining marks would take hours; the test's time limit is the assertion."""
    assert under_bcrypt.check("\u0301\u0323" * 5_000_000, CURRENT_BCRYPT) == NO_MATCH


@pytest.mark.parametrize("password", [SURROGATE, TOO_LONG])
def test_what_validation_should_have_refused_is_not_hashed(under_bcrypt, meter, password):
    with pytest.raises(ValueError, match="too long or not valid Unicode") as refused:
        under_bcrypt.hash(password)

    assert password not in str(refused.value)
    assert meter.bcrypt == []


@pytest.fixture(scope="module", params=["bcrypt", "argon2"])
def cheap(request, pool):
    hashers = [BcryptHasher(4), Argon2Hasher(Argon2Parameters(16, 1))]
    if request.param == "argon2":
        hashers.reverse()
    return Passwords(hashers[0], hashers[1:], pool)


@settings(deadline=None)
@given(password=st.text(st.characters(exclude_categories=["Cs"]), max_size=128))
def test_every_unicode_form_of_a_password_is_the_same_password(cheap, password):
    stored = cheap.hash(password)

    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        sent = unicodedata.normalize(form, password)
        assert cheap.check(sent, stored).matches is (len(sent) <= 128)


@settings(deadline=None)
@given(password=st.text(max_size=140), stored=st.text() | st.sampled_from([CURRENT_BCRYPT, None]))
def test_no_password_and_no_stored_text_raises(cheap, password, stored):
    assert not cheap.check(password, stored).matches


def test_a_verdict_does_not_show_its_hash():
    assert "secret" not in repr(Verdict(matches=True, upgraded="secret"))


@pytest.mark.parametrize(
    "call", [lambda p, **kw: p.hash(PASSWORD, **kw), lambda p, **kw: p.check(PASSWORD, None, **kw)]
)
def test_nothing_is_hashed_for_a_client_that_has_gone(under_bcrypt, meter, call):
    with pytest.raises(AbandonedError):
        call(under_bcrypt, abandoned=lambda: True)

    assert meter.bcrypt == []


@pytest.mark.parametrize(("kind", "prefix"), [("bcrypt", "$2b$06$"), ("argon2", "$argon2id$")])
def test_password_hasher_chooses_the_prefix_of_new_hashes(pool, kind, prefix):
    """Each hashes anew with its own kind, verifies both, and observes every trip once."""
    observed = []
    passwords = make_passwords(
        kind, bcrypt_rounds=COST, pool=pool, observe=lambda *seen: observed.append(seen)
    )

    assert passwords.hash(PASSWORD).startswith(prefix)
    assert passwords.check(PASSWORD, STORED["cheaper bcrypt"]).upgraded.startswith(prefix)
    assert passwords.check(PASSWORD, STORED["cheaper argon2"]).upgraded.startswith(prefix)

    assert [seen_kind for seen_kind, _seconds in observed] == [kind] * 3
    assert all(seconds > 0 for _kind, seconds in observed)
