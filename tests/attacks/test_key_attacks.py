"""Confusion of keys and algorithms (RFC 8725, 2 and 3), tried with real keys."""

import hashlib
import hmac
import json

import pytest
from conftest import SECRET_KEY, START, Clock
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from key_material import ALGORITHMS, private_key, public_bytes, public_der
from token_samples import CLAIMS, SESSION, USER, b64

from falcon_auth.errors import InvalidTokenError
from falcon_auth.keys import Key, KeyRing, UnfitKeyError
from falcon_auth.sessions.tokens import TokenCodec

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
KEYS = {
    "HS256": Key.symmetric(SECRET_KEY, "HS256"),
    **{kind: Key.asymmetric(private_key(kind), kind) for kind in ALGORITHMS},
}
HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


def codec(*kinds):
    ring = KeyRing([KEYS[kind] for kind in kinds or KEYS])
    return TokenCodec(ring, clock=Clock(), access_seconds=900)


def reason(token, *kinds):
    with pytest.raises(InvalidTokenError) as caught:
        codec(*kinds).verify_access(token)
    return caught.value.reason


def signing_input(header, claims=CLAIMS):
    return ".".join(b64(json.dumps(part).encode()) for part in (header, claims))


def with_mac(header, secret, algorithm="HS256"):
    signed = signing_input(header)
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), HASHES[algorithm]))}"


def signed_by(key, header):
    signed = signing_input(header)
    return f"{signed}.{b64(key.implementation.sign(signed.encode(), key.signing))}"


def header_of(kind, **changes):
    header = {"alg": kind, "kid": KEYS[kind].kid, "typ": "JWT"} | changes
    return {name: value for name, value in header.items() if value is not None}


@pytest.mark.parametrize("kind", KEYS)
def test_the_forge_of_these_tests_makes_good_tokens(kind):
    """Otherwise every refusal below would prove nothing."""
    if kind == "HS256":
        token = with_mac(header_of(kind), SECRET_KEY.encode())
    else:
        token = signed_by(KEYS[kind], header_of(kind))

    assert codec().verify_access(token).token_id == "j1"


def public_forms(kind):
    """Everything public that an attacker may try as a secret."""
    pem = public_bytes(kind)
    jwk = dict(KEYS[kind].jwk)
    bare = {name: value for name, value in jwk.items() if name not in {"kid", "alg", "use"}}
    return [
        pem,
        pem.strip(),
        pem.replace(b"\n", b"\r\n"),
        public_der(kind),
        *(json.dumps(each, separators=(",", ":")).encode() for each in (jwk, bare)),
        json.dumps(jwk).encode(),
        json.dumps({"keys": [jwk]}).encode(),
        KEYS[kind].kid.encode(),
        (bare.get("n") or bare["x"]).encode(),
        b"",
    ]


@pytest.mark.parametrize("algorithm", HASHES)
@pytest.mark.parametrize("kind", ALGORITHMS)
@pytest.mark.parametrize("ring", ["alone", "beside a secret"])
def test_a_public_key_is_refused_as_hmac_secret(kind, algorithm, ring):
    kinds = [kind] if ring == "alone" else [kind, "HS256"]
    kids = [KEYS[kind].kid] if ring == "alone" else [KEYS[kind].kid, KEYS["HS256"].kid]
    for kid in kids:
        for secret in public_forms(kind):
            token = with_mac({"alg": algorithm, "kid": kid, "typ": "JWT"}, secret, algorithm)
            assert reason(token, *kinds) in {"header", "signature"}


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_a_public_key_cannot_even_be_set_as_the_secret(kind):
    for secret in public_forms(kind)[:2]:
        with pytest.raises(UnfitKeyError):
            Key.symmetric(secret.decode(), "HS256")
    with pytest.raises(UnfitKeyError):
        Key.symmetric(json.dumps(dict(KEYS[kind].jwk)), "HS256")


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_a_key_in_the_token_is_not_used(kind):
    """The header brings a key of the attacker's own, or says where one is (CVE-2018-0114)."""
    own = Key.asymmetric(private_key(kind, 1), kind)
    offers = [
        {"jwk": dict(own.jwk)},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/chain.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
        {"crit": ["exp"]},
        {"cty": "JWT"},
    ]

    for offer in offers:
        assert reason(signed_by(own, header_of(kind, **offer))) == "header"
        assert reason(signed_by(own, header_of(kind, kid=own.kid, **offer))) == "header"
    assert reason(signed_by(own, header_of(kind))) == "signature"
    assert reason(signed_by(own, header_of(kind, kid=own.kid))) == "kid"


KIDS = [
    "../../../../../../dev/null",
    "/dev/null",
    "/proc/sys/kernel/randomize_va_space",
    "' UNION SELECT 'secret' --",
    "key; sleep 1 |",
    "file:///etc/passwd",
    "",
    "\0",
    "é",
    None,
    1,
    True,
    [],
    {},
    ["x"],
]


@pytest.mark.parametrize("kid", KIDS)
def test_a_kid_is_a_name_and_nothing_more(kid):
    """Not a path, not a query: with an empty secret, as of a file that is empty."""
    for secret in (b"", b"\0", b"secret", SECRET_KEY.encode()):
        token = with_mac({"alg": "HS256", "kid": kid, "typ": "JWT"}, secret)
        assert reason(token) == "kid"


@pytest.mark.parametrize("named", KEYS)
@pytest.mark.parametrize("kind", ALGORITHMS)
def test_the_kid_of_another_key_does_not_help(kind, named):
    if named == kind:
        return
    other = KEYS[named]

    assert reason(signed_by(KEYS[kind], header_of(kind, kid=other.kid))) == "header"
    spelled = {"alg": other.algorithm, "kid": other.kid, "typ": "JWT"}
    assert reason(signed_by(KEYS[kind], spelled)) == "signature"


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 0, ["HS256"]])
def test_no_spelling_of_none_passes(kind, name):
    for header in ({"alg": name}, {"alg": name, "kid": KEYS[kind].kid, "typ": "JWT"}):
        signed = signing_input(header)
        for signature in ("", "AA", b64(b"\0" * 64)):
            assert reason(f"{signed}.{signature}") == "header"


@pytest.mark.parametrize("kind", KEYS)
def test_another_spelling_of_the_algorithm_is_refused(kind):
    for spelled in {kind.lower(), kind + " ", kind + "\0", kind.swapcase()} - {kind}:
        if kind == "HS256":
            token = with_mac(header_of(kind, alg=spelled), SECRET_KEY.encode())
        else:
            token = signed_by(KEYS[kind], header_of(kind, alg=spelled))
        assert reason(token) == "header"


@pytest.mark.parametrize(("made", "bound"), [("PS256", "RS256"), ("RS256", "PS256")])
def test_one_rsa_key_serves_one_of_its_two_algorithms(made, bound):
    """RS256 and PS256 take the same key: what it is bound to decides."""
    ring_key = Key.asymmetric(private_key("RS256"), bound)
    forger = Key.asymmetric(private_key("RS256"), made)
    tokens = TokenCodec(KeyRing([ring_key]), clock=Clock(), access_seconds=900)

    for alg in (made, bound):
        token = signed_by(forger, {"alg": alg, "kid": ring_key.kid, "typ": "JWT"})
        with pytest.raises(InvalidTokenError):
            tokens.verify_access(token)


def es256_signatures():
    key = KEYS["ES256"]
    signed = signing_input(header_of("ES256"))
    raw = key.implementation.sign(signed.encode(), key.signing)
    r, s = (int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    der = key.signing.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    assert decode_dss_signature(der)

    def pair(first, second, size=32):
        return first.to_bytes(size) + second.to_bytes(size)

    return signed, {
        "zero (CVE-2022-21449)": pair(0, 0),
        "r is zero": pair(0, s),
        "s is zero": pair(r, 0),
        "one": pair(1, 1),
        "the order": pair(P256_ORDER, P256_ORDER),
        "all ones": b"\xff" * 64,
        "halves exchanged": pair(s, r),
        "DER": der,
        "empty": b"",
        "half": raw[:32],
        "short": raw[:-1],
        "long": raw + b"\0",
        "zero before": b"\0" + raw,
        "padded halves": pair(r, s, 33),
        "of P-521's length": pair(r, s, 66),
        "twice": raw + raw,
    }


@pytest.mark.parametrize("name", es256_signatures()[1])
def test_a_wrong_es256_signature_is_refused(name):
    signed, signatures = es256_signatures()

    assert reason(f"{signed}.{b64(signatures[name])}") == "signature"


@pytest.mark.parametrize("kind", KEYS)
@given(signature=st.binary(max_size=600))
def test_no_bytes_at_random_are_a_signature(kind, signature):
    signed = signing_input(header_of(kind))

    assert reason(f"{signed}.{b64(signature)}") == "signature"


@pytest.mark.parametrize("kind", KEYS)
def test_a_changed_claim_breaks_the_signature(kind):
    header, _, signature = codec(kind).issue_access(USER, SESSION).text.split(".")
    changed = b64(json.dumps(CLAIMS | {"sub": "eve@example.com"}).encode())

    assert reason(f"{header}.{changed}.{signature}") == "signature"


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_the_token_of_another_service_is_refused(kind):
    """Its key is none of ours; and with the key shared, its issuer and audience are others."""
    theirs = TokenCodec(
        KeyRing([Key.asymmetric(private_key(kind, 1), kind)]), clock=Clock(), access_seconds=900
    )
    assert reason(theirs.issue_access(USER, SESSION).text) == "kid"

    ours = TokenCodec(
        KeyRing([KEYS[kind]]), clock=Clock(), access_seconds=900, issuer="us", audience="a"
    )
    for claims, expected in [
        ({}, "iss"),
        ({"iss": "them", "aud": "a"}, "iss"),
        ({"iss": "us"}, "aud"),
        ({"iss": "us", "aud": "b"}, "aud"),
        ({"iss": "us", "aud": ["b", "c"]}, "aud"),
    ]:
        with pytest.raises(InvalidTokenError) as caught:
            ours.verify_access(KEYS[kind].sign(CLAIMS | claims))
        assert caught.value.reason == expected


def test_a_time_beyond_any_clock_is_refused():
    """Integers without end would overflow where times are compared."""
    token = KEYS["HS256"].sign(CLAIMS | {"exp": 10**400})

    assert reason(token) == "exp"
    assert int(START) < 2**53


def test_the_kid_of_a_secret_tells_nothing_of_it():
    guesses = {
        b64(hashlib.new(name, SECRET_KEY.encode()).digest()[:12]) for name in HASHES.values()
    }

    assert KEYS["HS256"].kid not in guesses
    assert KEYS["HS256"].kid != Key.symmetric(SECRET_KEY, "HS512").kid
