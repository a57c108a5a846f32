"""Published tokens (Wycheproof), and what they do to theirs done to a live one of ours."""

import base64
import json
import string

import jwt
import pytest
from conftest import START, outcome
from vectors import decoded, load, needs_vectors

from falcon_auth.errors import InvalidTokenError
from falcon_auth.keys import Key, KeyRing
from falcon_auth.sessions.tokens import TokenCodec

pytestmark = needs_vectors

GROUPS = (load("wycheproof_jws.json") or {"testGroups": []})["testGroups"]
# Labels that are wrong, as the vectors' own notes say.
LOST_PADDING = {367, 370}  # `invalid`, but they hold the bytes of the valid 357.
FOREIGN_CHARACTERS = {372, 373}  # `valid`, with a `?` in a segment.
WRONG_USE = range(
    353, 357
)  # About the key's own `use`, and here its place in the settings says that.
OTHER_ALGORITHM = {346, 350}  # `valid`, signed by PS384 with a key that is for PS256 only.
NOT_OURS = FOREIGN_CHARACTERS | OTHER_ALGORITHM

CASES = [
    pytest.param(group.get("public") or group["private"], case, id=f"{case['tcId']}")
    for group in GROUPS
    for case in group["tests"]
    if case["tcId"] not in WRONG_USE
]
JUDGED = [each for each in CASES if each.values[1]["tcId"] not in LOST_PADDING]


def algorithm_of(jwk):
    algorithm = jwk.get("alg", "RS256")
    return {"ES521": "ES512"}.get(algorithm, algorithm)  # Misspelt there.


def codec_of(jwk):
    """A codec whose one key is the vector's own, so that nothing else is the reason."""
    algorithm = algorithm_of(jwk)
    implementation = jwt.get_algorithm_by_name(algorithm)
    material = implementation.from_jwk(json.dumps(jwk))
    key = Key(jwk.get("kid", "vector"), algorithm, material, material, implementation, "")
    return key, TokenCodec(KeyRing([key]), clock=lambda: START, access_seconds=900)


@pytest.mark.parametrize(("jwk", "case"), CASES)
def test_no_published_token_is_one_of_ours(jwk, case):
    """Ours say what they are in header and claims, so a right signature alone opens nothing."""
    _, codec = codec_of(jwk)

    for verify in (codec.verify_access, codec.verify_refresh):
        with pytest.raises(InvalidTokenError):
            verify(case["jws"])


@pytest.mark.parametrize(("jwk", "case"), JUDGED)
def test_form_and_signature_are_judged_as_published(jwk, case):
    key, codec = codec_of(jwk)

    with pytest.raises(InvalidTokenError) as refusal:
        codec.verify_access(case["jws"])
    good = refusal.value.reason not in {"form", "too_long"}
    if good:
        header, payload, signature = case["jws"].split(".")
        good = json.loads(decoded(header)).get("alg") == key.algorithm
        good = good and key.verifies(f"{header}.{payload}", signature)

    assert good == (case["result"] == "valid" and case["tcId"] not in NOT_OURS)


def test_no_published_token_opens_anything_over_http(client):
    for group in GROUPS:
        for case in group["tests"]:
            bearer = {"Authorization": f"Bearer {case['jws']}"}
            answer = client.simulate_get("/protected", headers=bearer)
            assert outcome(answer) in {(401, "TOKEN_INVALID"), (401, "MISSING_TOKEN")}, case
            body = {"refresh_token": case["jws"]}
            for path in ("/api/v1/auth/refresh", "/api/v1/auth/logout"):
                assert outcome(client.post(path, body)) in {
                    (401, "TOKEN_INVALID"),
                    (422, "VALIDATION_FAILED"),
                }, case


# --- The same mutations, on a live token


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def flip(segment, place=0, mask=1):
    data = bytearray(decoded(segment))
    data[place] ^= mask
    return encoded(bytes(data))


def with_unused_bits(segment):
    """Set a bit behind the last byte: the same bytes, spelt another way."""
    alphabet = f"{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}-_"
    assert len(segment) % 4
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) + 1]


def header_with(header, **members):
    return encoded(json.dumps(json.loads(decoded(header)) | members).encode())


MUTATIONS = {
    "modified signature": lambda h, p, s: f"{h}.{p}.{flip(s)}",
    "modified end of the signature": lambda h, p, s: f"{h}.{p}.{flip(s, -1, 0x80)}",
    "missing signature": lambda h, p, s: f"{h}.{p}.",
    "missing signature and separator": lambda h, p, s: f"{h}.{p}",
    "modified payload": lambda h, p, s: f"{h}.{flip(p, 9)}.{s}",
    "missing payload": lambda h, p, s: f"{h}..{s}",
    "missing payload and separator": lambda h, p, s: f"{h}.{s}",
    "modified header": lambda h, p, s: f"{flip(h, 9)}.{p}.{s}",
    "missing header": lambda h, p, s: f".{p}.{s}",
    "missing header and separator": lambda h, p, s: f"{p}.{s}",
    "missing header and signature": lambda h, p, s: f".{p}.",
    "payload alone": lambda h, p, s: p,
    "separators alone": lambda h, p, s: "..",
    "extra empty component": lambda h, p, s: f"{h}.{p}.{s}.",
    "extra component": lambda h, p, s: f"{h}.{p}.{s}.{s}",
    "leading separator": lambda h, p, s: f".{h}.{p}.{s}",
    "swapped payload and signature": lambda h, p, s: f"{h}.{s}.{p}",
    "no algorithm": lambda h, p, s: f"{header_with(h, alg='none')}.{p}.",
    "no algorithm, signed": lambda h, p, s: f"{header_with(h, alg='nOnE')}.{p}.{s}",
    "other algorithm": lambda h, p, s: f"{header_with(h, alg='HS384')}.{p}.{s}",
    "embedded key": lambda h, p, s: f"{header_with(h, jwk={'kty': 'oct', 'k': ''})}.{p}.{s}",
    "key from elsewhere": lambda h, p, s: f"{header_with(h, jku='http://127.0.0.1/')}.{p}.{s}",
    "critical extension": lambda h, p, s: f"{header_with(h, crit=['b64'], b64=False)}.{p}.{s}",
    "JSON serialisation": lambda h, p, s: json.dumps(
        {"protected": h, "payload": p, "signature": s}, separators=(",", ":")
    ),
    "spaces in the header": lambda h, p, s: f"{h[:5]} {h[5:]}.{p}.{s}",
    "spaces in the payload": lambda h, p, s: f"{h}.{p[:5]} {p[5:]}.{s}",
    "spaces in the signature": lambda h, p, s: f"{h}.{p}.{s[:5]} {s[5:]}",
    "invalid character in the header": lambda h, p, s: f"{h[:5]}?{h[5:]}.{p}.{s}",
    "invalid character in the payload": lambda h, p, s: f"{h}.{p[:5]}?{p[5:]}.{s}",
    "invalid character in the signature": lambda h, p, s: f"{h}.{p}.{s[:5]}*{s[5:]}",
    "ordinary base64 in the signature": lambda h, p, s: f"{h}.{p}.+/{s[2:]}",
    "padding": lambda h, p, s: f"{h}.{p}.{s}{'=' * (-len(s) % 4)}",
    "one sign of padding": lambda h, p, s: f"{h}.{p}.{s}=",
    "padded payload": lambda h, p, s: f"{h}.{p}=.{s}",
    "unused bits of the signature": lambda h, p, s: f"{h}.{p}.{with_unused_bits(s)}",
    "longer signature": lambda h, p, s: f"{h}.{p}.{encoded(decoded(s) + bytes(1))}",
    "shorter signature": lambda h, p, s: f"{h}.{p}.{encoded(decoded(s)[:-1])}",
    "zero signature": lambda h, p, s: f"{h}.{p}.{encoded(bytes(32))}",
    "spelt-out header": lambda h, p, s: (
        f"{encoded(json.dumps(json.loads(decoded(h)), indent=1).encode())}.{p}.{s}"
    ),
    "trailing line feed": lambda h, p, s: f"{h}.{p}.{s}\n",
    "trailing NUL": lambda h, p, s: f"{h}.{p}.{s}\0",
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutated_token_is_refused(client, user, name):
    mutate = MUTATIONS[name]
    access, refresh = (
        mutate(*user.json[kind].split(".")) for kind in ("access_token", "refresh_token")
    )
    codec = client.app.service.codec
    with pytest.raises(InvalidTokenError):
        codec.verify_access(access)
    with pytest.raises(InvalidTokenError):
        codec.verify_refresh(refresh)

    if access.isprintable():  # No header can hold the others.
        assert outcome(client.profile(access)) == (401, "TOKEN_INVALID")
    assert outcome(client.refresh(refresh)) == (401, "TOKEN_INVALID")
    assert outcome(client.logout(refresh)) == (401, "TOKEN_INVALID")
    assert client.profile(user).status_code == 200
    assert client.refresh(user).status_code == 200


def test_every_single_bit_of_a_token_counts(client, user):
    """Each character but the separators, changed to its neighbour."""
    token = user.json["access_token"]
    codec = client.app.service.codec
    codec.verify_access(token)
    for place, character in enumerate(token):
        for other in "Aa0-_.":
            if other != character:
                with pytest.raises(InvalidTokenError):
                    codec.verify_access(token[:place] + other + token[place + 1 :])
