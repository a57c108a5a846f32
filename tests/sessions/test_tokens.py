"""The token codec, attacked: whatever is not exactly what it issues is refused."""

import base64
import hashlib
import string
from dataclasses import replace

import pytest
from conftest import SECRET_KEY, START, Clock
from hypothesis import given
from hypothesis import strategies as st
from token_samples import (
    CLAIMS,
    HEADER,
    KEY,
    NOW,
    OTHER_KEY,
    REFRESH_CLAIMS,
    REFRESH_HEADER,
    SESSION,
    USER,
    forge,
    forge_refresh,
)

from falcon_auth.errors import ExpiredTokenError, InvalidTokenError
from falcon_auth.keys import Key, KeyRing
from falcon_auth.keys.compact import MAX_TOKEN_LENGTH
from falcon_auth.models import Session
from falcon_auth.sessions.tokens import TokenCodec


def codec(keys=(KEY,), clock=None, **options):
    return TokenCodec(KeyRing(keys), clock=clock or Clock(), access_seconds=900, **options)


def reason(token, kind="access", **options):
    with pytest.raises(InvalidTokenError) as caught:
        getattr(codec(**options), f"verify_{kind}")(token)
    return caught.value.reason


def test_what_is_issued_is_accepted():
    access = codec().verify_access(codec().issue_access(USER, SESSION).text)
    refresh = codec().verify_refresh(codec().issue_refresh(USER, SESSION).text)

    assert (access.email, access.user_id, access.session_id) == (USER.email, "u1", "s1")
    assert (refresh.email, refresh.user_id, refresh.session_id) == (USER.email, "u1", "s1")
    assert refresh.generation == 0


def test_the_forge_of_these_tests_makes_good_tokens():
    """Otherwise every refusal below would prove nothing."""
    assert codec().verify_access(forge()).token_id == "j1"
    assert codec().verify_refresh(forge_refresh()).token_id == "j1"


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_every_claim_is_needed(name):
    assert reason(forge({key: value for key, value in CLAIMS.items() if key != name})) == name


@pytest.mark.parametrize("name", ["sub", "uid", "sid", "jti"])
@pytest.mark.parametrize("value", [None, 1, True, "", [], {}])
def test_a_claim_that_must_be_a_string_is_refused_as_anything_else(name, value):
    assert reason(forge(CLAIMS | {name: value})) == name


@pytest.mark.parametrize("value", [None, "pwd", {}, [1], ["pwd", None], True])
def test_amr_is_a_list_of_texts(value):
    assert reason(forge(CLAIMS | {"amr": value})) == "amr"


@pytest.mark.parametrize("name", ["iat", "exp", "nbf", "auth_time"])
@pytest.mark.parametrize("value", [None, "99999999999", 1.9e9, True, -1, "٩٩٩٩٩٩٩٩٩٩", [NOW]])
def test_times_are_integers(name, value):
    assert reason(forge(CLAIMS | {name: value})) == name


@pytest.mark.parametrize("value", [None, "0", 0.0, True, -1])
def test_a_refresh_token_has_an_integer_generation(value):
    assert reason(forge_refresh(REFRESH_CLAIMS | {"gen": value}), "refresh") == "gen"


def test_a_refresh_token_of_the_form_before_derived_keys_is_refused():
    """The ring's key signed it, as it does access tokens: the claim alone told them apart."""
    assert reason(forge(REFRESH_CLAIMS), "refresh") == "type"
    assert reason(forge(REFRESH_CLAIMS, REFRESH_HEADER), "refresh") == "signature"


@pytest.mark.parametrize("kind", ["refresh", "", None, ["access"], "ACCESS"])
def test_the_type_must_be_the_expected_one(kind):
    assert reason(forge(CLAIMS | {"type": kind})) == "type"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "HS256", "kid": KEY.kid},
        HEADER | {"alg": "none"},
        HEADER | {"alg": "HS384"},
        HEADER | {"alg": "hs256"},
        HEADER | {"alg": ["HS256"]},
        HEADER | {"crit": ["exp"]},
        HEADER | {"b64": False},
        HEADER | {"cty": "JWT"},
        HEADER | {"zip": "DEF"},
        HEADER | {"jku": "https://attacker.example/keys"},
        HEADER | {"jwk": {"kty": "oct", "k": "AAAA"}},
        HEADER | {"x5u": "https://attacker.example/cert"},
    ],
)
def test_a_token_header_has_alg_kid_and_typ_only(header):
    assert reason(forge(header=header)) == "header"


@pytest.mark.parametrize("typ", ["jwt", "at+jwt", "refresh+jwt", "", None, 1, ["JWT"], {}])
def test_typ_in_the_header_must_be_the_expected_one(typ):
    assert reason(forge(header=HEADER | {"typ": typ})) == "type"
    if typ != "refresh+jwt":
        assert reason(forge_refresh(header=HEADER | {"typ": typ}), "refresh") == "type"


@pytest.mark.parametrize("kid", ["", "unknown", None, 1, ["x"], "../../etc/passwd", OTHER_KEY.kid])
def test_an_unknown_key_is_refused(kid):
    assert reason(forge(header=HEADER | {"kid": kid})) == "kid"


def test_another_key_under_our_name_is_refused():
    assert reason(forge(secret=b"another-key-that-is-long-enough-too")) == "signature"


def test_the_algorithm_is_part_of_a_keys_name():
    assert Key.symmetric(SECRET_KEY, "HS512").kid != KEY.kid


@pytest.mark.parametrize(
    "text",
    [
        '{"sub":"a","sub":"b"}',
        "[]",
        "null",
        '"text"',
        "{",
        "",
        '{"exp":NaN}',
        "\ufeff{}",
        "[" * 1400,
        '{"iat":1e999}',
    ],
)
def test_claims_must_be_one_plain_object(text):
    assert reason(forge(claims=text)) == "form"


def test_a_header_with_duplicate_members_is_refused():
    twice = f'{{"alg":"none","alg":"HS256","kid":"{KEY.kid}","typ":"JWT"}}'

    assert reason(forge(header=twice)) == "form"


@pytest.mark.parametrize(
    "damage",
    [
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.replace(".", "..", 1),
        lambda token: token + ".",
        lambda token: token.rpartition(".")[0],
        lambda token: token.replace("-", "+").replace("_", "/") + "+",
        lambda token: token[:-1] + "é",
        lambda token: token[:-1] + "\ud800",
        lambda token: token[:-1] + "\x00",
        lambda token: "",
        lambda token: ".",
        lambda token: "..",
    ],
)
def test_form_is_strict(damage):
    assert reason(damage(forge())) in {"form", "signature", "kid"}


def test_a_token_has_one_spelling_only():
    """The last character of a signature has two spare bits: they must be zero."""
    token = forge()
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]

    assert base64.urlsafe_b64decode(twin.rpartition(".")[2] + "=") == base64.urlsafe_b64decode(
        token.rpartition(".")[2] + "="
    )
    assert reason(twin) == "form"


def test_a_token_over_4_kib_is_refused_unread():
    fitting = forge(CLAIMS | {"pad": "x" * 2700})
    assert len(fitting) <= MAX_TOKEN_LENGTH
    codec().verify_access(fitting)

    assert reason(forge(CLAIMS | {"pad": "x" * 3000})) == "too_long"


@given(st.integers(0, 400), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(position, change):
    token = forge().encode()
    position %= len(token)
    forged = bytearray(token)
    forged[position] ^= change
    with pytest.raises(InvalidTokenError):
        codec().verify_access(forged.decode("latin-1"))


@given(st.text(max_size=100))
def test_no_text_does_more_than_be_refused(text):
    with pytest.raises(InvalidTokenError):
        codec().verify_access(text)


def test_expiry_has_thirty_seconds_of_leeway():
    clock = Clock(NOW + 900 + 29)
    assert codec(clock=clock).verify_access(forge())

    clock.advance(seconds=1)

    with pytest.raises(ExpiredTokenError):
        codec(clock=clock).verify_access(forge())


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_from_the_future_has_the_same_leeway(name):
    assert codec().verify_access(forge(CLAIMS | {name: NOW + 30}))

    assert reason(forge(CLAIMS | {name: NOW + 31})) == "not_yet_valid"


def test_log_out_takes_an_expired_refresh_token_but_no_other_fault():
    claims = REFRESH_CLAIMS | {"exp": NOW - 10_000}
    with pytest.raises(ExpiredTokenError):
        codec().verify_refresh(forge_refresh(claims))

    assert codec().verify_refresh(forge_refresh(claims), even_expired=True)

    with pytest.raises(InvalidTokenError):
        codec().verify_refresh(forge_refresh(claims, secret=b"x" * 32), even_expired=True)


@pytest.mark.parametrize("given_claims", [{}, {"iss": "b"}, {"iss": ["a"]}, {"aud": "b"}])
def test_issuer_and_audience_are_checked_where_they_are_set(given_claims):
    options = {"issuer": "a", "audience": "api"}
    good = {"iss": "a", "aud": "api"}
    assert codec(**options).verify_access(forge(CLAIMS | good))
    issued = codec(**options).issue_access(USER, SESSION).text
    assert codec(**options).verify_access(issued)

    claims = CLAIMS | ({} if not given_claims else good | given_claims)
    assert reason(forge(claims), **options) in {"iss", "aud"}


def test_a_token_for_a_named_audience_is_not_for_a_service_without_a_name():
    """RFC 7519, 4.1.3: who does not identify itself with the audience must refuse."""
    assert reason(forge(CLAIMS | {"aud": "somebody"})) == "aud"


def test_a_rotated_key_still_verifies_and_no_longer_signs():
    before = codec([OTHER_KEY]).issue_access(USER, SESSION).text
    rotated = codec([KEY, OTHER_KEY])

    assert rotated.verify_access(before)
    assert codec([KEY]).verify_access(rotated.issue_access(USER, SESSION).text)
    assert reason(before) == "kid"


class Exchanged:
    """Keys that are replaced while they are used, as those of a folder are."""

    def __init__(self, ring):
        self.ring = ring

    def current(self):
        return self.ring

    def key_for(self, kid):
        return self.ring.key_for(kid)


def test_a_cached_access_token_still_expires(clock):
    remembering = codec(clock=clock)
    assert remembering.verify_access(forge())

    clock.advance(seconds=931)

    with pytest.raises(ExpiredTokenError):
        remembering.verify_access(forge())


def test_a_token_that_is_remembered_ends_with_its_key():
    keys = Exchanged(KeyRing([KEY]))
    remembering = TokenCodec(keys, clock=Clock(), access_seconds=900)
    assert remembering.verify_access(forge())

    keys.ring = KeyRing([OTHER_KEY])

    with pytest.raises(InvalidTokenError):
        remembering.verify_access(forge())


def test_another_key_of_the_same_name_does_not_inherit_what_is_remembered():
    """A foreign issuer may give one name to two keys."""
    keys = Exchanged(KeyRing([KEY]))
    remembering = TokenCodec(keys, clock=Clock(), access_seconds=900)
    assert remembering.verify_access(forge())

    keys.ring = KeyRing([replace(OTHER_KEY, kid=KEY.kid)])

    with pytest.raises(InvalidTokenError) as caught:
        remembering.verify_access(forge())
    assert caught.value.reason == "signature"


def test_what_is_remembered_of_one_token_serves_no_other():
    """Not even one that differs in its last character only."""
    remembering, good = codec(), forge()
    assert remembering.verify_access(good)

    for end in set(string.ascii_letters) - {good[-1]}:
        with pytest.raises(InvalidTokenError):
            remembering.verify_access(good[:-1] + end)
    with pytest.raises(InvalidTokenError):
        remembering.verify_refresh(good)


def test_a_key_listed_twice_is_one_key():
    assert codec([KEY, KEY]).verify_access(forge())


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_every_symmetric_algorithm_works(algorithm):
    key = Key.symmetric("k" * 64, algorithm)

    assert codec([key]).verify_access(codec([key]).issue_access(USER, SESSION).text)


def test_nothing_shows_a_key_or_a_token():
    token = codec().issue_access(USER, SESSION)

    assert SECRET_KEY not in repr(KEY)
    assert token.text not in repr(token)
    assert hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:8] not in KEY.kid


def test_an_access_token_does_not_outlive_its_session():
    ending = Session(
        id="s1", user_id="u1", created_at=START, last_used_at=START, expires_at=START + 60
    )

    assert codec().issue_access(USER, ending).expires_at == NOW + 60


def test_access_tokens_have_different_jti_and_repeated_refresh_tokens_are_equal():
    """The successor of a spent token must be the same one each time it is given."""
    access = {codec().issue_access(USER, SESSION).text for _ in range(10)}
    refresh = {codec().issue_refresh(USER, SESSION).text for _ in range(10)}

    assert (len(access), len(refresh)) == (10, 1)
