"""Tokens of any type: a key of their own each, the same strict checks, and nothing in common."""

import hashlib
import hmac
import subprocess
import threading

import pytest
from conftest import SECRET_KEY, Clock
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st
from key_material import ALGORITHMS, private_key, private_pem
from token_samples import CLAIMS, KEY, NOW, b64, derived_secret, forge

from falcon_auth.errors import ExpiredTokenError, InvalidTokenError
from falcon_auth.keys import Key, KeyRing, UnfitKeyError
from falcon_auth.sessions.signed_tokens import Issuer, SignedTokens

KEYS = {"HS256": KEY} | {kind: Key.asymmetric(private_key(kind), kind) for kind in ALGORITHMS}
TYPES = ["refresh", "verify", "reset", "change", "invitation", "challenge", "provider-state"]


def issuer(*keys, **options):
    return Issuer(keys=KeyRing(keys or (KEY,)), **({"clock": Clock()} | options))


def reason(tokens, text):
    with pytest.raises(InvalidTokenError) as caught:
        tokens.verify(text)
    return caught.value.reason


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("token_type", TYPES)
def test_what_is_signed_is_verified_and_says_the_same(kind, token_type):
    tokens = SignedTokens(issuer(KEYS[kind]), token_type)

    signed = tokens.sign({"uid": "u1", "ver": 3}, lifetime_seconds=3600)

    claims = tokens.verify(signed.text)
    assert (claims.text("uid"), claims.integer("ver")) == ("u1", 3)
    assert (claims.issued_at, claims.expires_at) == (NOW, signed.expires_at) == (NOW, NOW + 3600)
    assert claims.token_id


@pytest.mark.parametrize("kind", KEYS)
def test_no_type_passes_as_another(kind):
    """RFC 8725, 3.11 and 3.12: the header, the key and the claim differ, each by itself."""
    here = issuer(KEYS[kind])
    for signed_as in [*TYPES, "access"]:
        text = SignedTokens(here, signed_as).sign({}, lifetime_seconds=60).text
        for read_as in [*TYPES, "access"]:
            if read_as != signed_as:
                assert reason(SignedTokens(here, read_as), text) == "type"


def test_the_key_alone_tells_types_apart():
    """Were the header's word believed, the signature would not be right."""
    claims, header = CLAIMS | {"type": "reset"}, {"alg": "HS256", "kid": KEY.kid}
    resets = SignedTokens(issuer(), "reset")
    named = header | {"typ": "reset+jwt"}
    assert resets.verify(forge(claims, named, derived_secret("reset")))

    assert reason(resets, forge(claims, named, derived_secret("verify"))) == "signature"
    assert reason(resets, forge(claims, named, SECRET_KEY.encode())) == "signature"
    other_claim = forge(claims | {"type": "verify"}, named, derived_secret("reset"))
    assert reason(resets, other_claim) == "type"


@pytest.mark.parametrize("alg", ["none", "HS384", "HS512", "ES256", "hs256", None, ["HS256"]])
def test_only_hs256_signs_what_is_not_an_access_token(alg):
    header = {"alg": alg, "kid": KEY.kid, "typ": "reset+jwt"}
    token = forge(CLAIMS | {"type": "reset"}, header, derived_secret("reset"))

    assert reason(SignedTokens(issuer(), "reset"), token) == "header"


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_a_private_keys_material_is_its_pkcs8_der(kind, tmp_path):
    """As OpenSSL writes it: another program derives the same."""
    pem = tmp_path / "key.pem"
    pem.write_bytes(private_pem(kind))
    convert = ["openssl", "pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in", str(pem)]
    der = subprocess.run(convert, capture_output=True, check=True, timeout=30).stdout

    signed, _, signature = KEYS[kind].derived("refresh").sign({"a": 1}).rpartition(".")

    expected = hmac.digest(derived_secret("refresh", der), signed.encode(), hashlib.sha256)
    assert signature == b64(expected)


def test_the_derived_keys_stay_what_they_are():
    """Another library version that writes PKCS #8 otherwise would end every session."""
    keys = {
        "HS256": KEY,
        "ES256": Key.asymmetric(ec.derive_private_key(7, ec.SECP256R1()), "ES256"),
        "EdDSA": Key.asymmetric(
            ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))), "EdDSA"
        ),
    }

    derived = {kind: key.derived("refresh").signing.hex()[:16] for kind, key in keys.items()}

    assert derived == {
        "HS256": "74e19a3cead41680",  # pragma: allowlist secret
        "ES256": "34baf5e90e3bf159",  # pragma: allowlist secret
        "EdDSA": "42f1b58df98b1965",  # pragma: allowlist secret
    }


def test_a_derived_key_is_made_once_for_all_threads():
    key, barrier, made = Key.symmetric(SECRET_KEY, "HS256"), threading.Barrier(8), []

    def derive():
        barrier.wait(10)
        made.append(key.derived("reset"))

    threads = [threading.Thread(target=derive) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert {id(each) for each in made} == {id(key.derived("reset"))}
    assert key.derived("verify") is not key.derived("reset")


def test_nothing_of_a_derived_key_is_shown_or_published():
    derived = KEYS["ES256"].derived("refresh")

    assert derived.signing.hex() not in repr(derived)
    assert repr(derived.signing) not in repr(derived)
    assert repr(derived.signing) not in repr(KEYS["ES256"])
    assert derived.jwk is None
    assert KeyRing([derived]).jwks() == {"keys": []}


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_a_public_key_verifies_access_tokens_and_no_others(kind):
    """It stands for a key that signed once, so what it cannot check is refused."""
    private, public = KEYS[kind], Key.asymmetric(private_key(kind).public_key(), kind)
    before, after = issuer(private), issuer(KEY, public)
    refresh = SignedTokens(before, "refresh").sign({}, lifetime_seconds=60).text
    access = SignedTokens(before, "access").sign({}, lifetime_seconds=60).text

    assert SignedTokens(after, "access").verify(access)
    assert reason(SignedTokens(after, "refresh"), refresh) == "public_key"
    assert SignedTokens(issuer(KEY, private), "refresh").verify(refresh)


def test_a_public_key_signs_nothing():
    public = Key.asymmetric(private_key("ES256").public_key(), "ES256")

    with pytest.raises(UnfitKeyError, match="no private half"):
        SignedTokens(issuer(public), "refresh").sign({}, lifetime_seconds=60)


def test_a_token_is_of_its_issuer_and_audience():
    named = SignedTokens(issuer(issuer="us", audience="api"), "reset")
    token = named.sign({}, lifetime_seconds=60).text
    assert named.verify(token)

    assert reason(SignedTokens(issuer(), "reset"), token) == "aud"
    assert reason(SignedTokens(issuer(issuer="them", audience="api"), "reset"), token) == "iss"
    assert reason(SignedTokens(issuer(issuer="us", audience="b"), "reset"), token) == "aud"


def test_a_lifetime_counts_from_when_it_is_said_to():
    clock = Clock()
    tokens = SignedTokens(issuer(clock=clock), "reset")
    early = tokens.sign({}, lifetime_seconds=60, issued_at=NOW - 100)
    assert early.expires_at == NOW - 40

    with pytest.raises(ExpiredTokenError) as caught:
        tokens.verify(early.text)
    assert caught.value.seconds == 40
    assert tokens.verify(early.text, even_expired=True).expires_at == NOW - 40
    late = tokens.sign({}, lifetime_seconds=60, issued_at=NOW + 100).text
    assert reason(tokens, late) == "not_yet_valid"


def test_two_tokens_are_never_the_same_unless_they_are_to_be():
    tokens = SignedTokens(issuer(), "reset")

    assert len({tokens.sign({}, lifetime_seconds=60).text for _ in range(10)}) == 10
    assert len({tokens.sign({"jti": "j"}, lifetime_seconds=60).text for _ in range(10)}) == 1


def test_claims_cannot_replace_what_makes_a_token_what_it_is():
    sly = {"type": "access", "exp": NOW + 10**6, "iat": 0, "iss": "them"}
    tokens = SignedTokens(issuer(issuer="us"), "reset")

    claims = tokens.verify(tokens.sign(sly, lifetime_seconds=60).text)

    assert (claims.issued_at, claims.expires_at) == (NOW, NOW + 60)
    assert (claims.text("type"), claims.text("iss")) == ("reset", "us")


def test_a_claim_of_another_kind_is_refused_when_it_is_read():
    tokens = SignedTokens(issuer(), "reset")
    claims = tokens.verify(tokens.sign({"uid": 1, "ver": "1"}, lifetime_seconds=60).text)

    for read, name in [(claims.text, "uid"), (claims.integer, "ver"), (claims.text, "absent")]:
        with pytest.raises(InvalidTokenError) as caught:
            read(name)
        assert caught.value.reason == name


@pytest.mark.parametrize(
    "name", ["", "Reset", "JWT", "a b", "a/b", "reset-", "-", "réset", "x" * 99]
)
def test_a_type_is_written_in_one_way(name):
    with pytest.raises(ValueError, match="lower-case"):
        SignedTokens(issuer(), name)


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text):
    with pytest.raises(InvalidTokenError):
        SignedTokens(issuer(), "reset").verify(text)
