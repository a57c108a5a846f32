"""Keys: from PEM, each for one algorithm, and named by what they are."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import outcome, settings_for
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from key_material import ALGORITHMS, private_key, private_pem, public_bytes

from falcon_auth.errors import ConfigurationError
from falcon_auth.keys.jws import decode_segment
from falcon_auth.keys.pem import MAX_FILE_BYTES, make_pem, parse_pem, read_pem, read_previous
from falcon_auth.keys.ring import Key, KeyRing, UnfitKeyError, thumbprint
from falcon_auth.service.keys import make_keys
from falcon_auth.stores.memory.store import MemoryStore

SECRET = "a-key-of-the-tests-that-is-long-enough"  # pragma: allowlist secret


def key(kind, algorithm=None, number=0):
    return Key.asymmetric(private_key(kind, number), algorithm or kind)


@pytest.fixture
def pem_file(tmp_path):
    def write(data, name="key.pem"):
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    return write


def test_the_thumbprint_is_that_of_the_rfc():
    """RFC 7638, 3.1 prints a key and its thumbprint."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
        "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
        "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
        "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    numbers = RSAPublicNumbers(65537, int.from_bytes(decode_segment(n)))

    made = Key.asymmetric(numbers.public_key(), "RS256")

    assert made.kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert made.kid == thumbprint({"e": "AQAB", "kty": "RSA", "n": n})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_made_key_signs_and_its_public_half_verifies(algorithm):
    signing = parse_pem(make_pem(algorithm), algorithm)
    verifying = parse_pem(make_public(signing), algorithm, to_sign=False)

    signed, _, signature = signing.sign({"a": 1}).rpartition(".")

    assert verifying.kid == signing.kid
    assert verifying.signing is None
    assert verifying.verifies(signed, signature)
    assert not verifying.verifies(signed + "x", signature)


def make_public(key):
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_keys_of_openssl_are_read(tmp_path):
    made = subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey"], capture_output=True, check=True
    ).stdout

    assert parse_pem(made, "ES256").algorithm == "ES256"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "kind", [*ALGORITHMS, "small RSA", "P-384", "secp256k1", "Ed448", "X25519"]
)
def test_a_key_is_only_for_the_algorithms_of_its_kind(kind, algorithm):
    rsa_kinds = {"RS256", "PS256"}
    fits = kind == algorithm or {kind, algorithm} <= rsa_kinds
    if fits:
        assert key(kind, algorithm).algorithm == algorithm
    else:
        with pytest.raises(UnfitKeyError):
            key(kind, algorithm)


def test_neither_half_shows_in_a_repr():
    made = key("RS256")

    assert repr(made) == f"Key(kid='{made.kid}', algorithm='RS256')"


def test_the_key_set_has_public_halves_only():
    ring = KeyRing([Key.symmetric(SECRET, "HS256"), *(key(each) for each in ALGORITHMS)])

    published = ring.jwks()["keys"]

    assert [each["alg"] for each in published] == ALGORITHMS
    members = {name for each in published for name in each}
    assert members == {"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"}
    assert SECRET not in json.dumps(published)


def test_of_two_keys_with_one_kid_the_first_stays():
    signing = key("ES256")
    same = Key.asymmetric(private_key("ES256").public_key(), "ES256")

    assert KeyRing([signing, same]).keys == (signing,)


UNFIT_FILES = {
    "empty": b"",
    "no PEM": b"\0\xff" * 100,
    "encrypted": private_pem("ES256", password=b"hunter22"),
    "public": public_bytes("ES256"),
    "another curve": private_pem("P-384"),
    "another kind": private_pem("EdDSA"),
    "no key for signing": private_pem("X25519"),
    "cut short": private_pem("ES256")[:-60],
    "too large": b"x" * (MAX_FILE_BYTES + 1),
}


@pytest.mark.parametrize("content", UNFIT_FILES.values(), ids=UNFIT_FILES)
def test_a_file_without_a_fit_key_stops_the_start(content, pem_file):
    with pytest.raises(ConfigurationError, match="JWT_PRIVATE_KEY_FILE: ") as caught:
        make_keys(settings_for(jwt_algorithm="ES256", jwt_private_key_file=pem_file(content)))

    lines = content.decode("ascii", "replace").split("\n")
    assert not any(line in str(caught.value) for line in lines if len(line) > 8)


@pytest.mark.parametrize("path", ["/nowhere/key.pem", "/", private_pem("ES256").decode()])
def test_a_path_that_is_none_is_not_repeated(path):
    """The key itself may stand in the place of its path."""
    with pytest.raises(ConfigurationError, match="JWT_PRIVATE_KEY_FILE: cannot be read") as caught:
        make_keys(settings_for(jwt_algorithm="ES256", jwt_private_key_file=path))

    assert len(path) < 8 or path[:40] not in str(caught.value)


def test_a_path_that_the_system_cannot_have_is_none():
    with pytest.raises(UnfitKeyError, match="not a file name"):
        read_pem(Path("nul\0byte"))


def test_every_fault_of_the_keys_is_reported_at_once(pem_file):
    small = pem_file(private_pem("small RSA"), "small.pem")
    wrong = pem_file(b"", "wrong.pem")

    with pytest.raises(ConfigurationError) as caught:
        make_keys(
            settings_for(
                jwt_algorithm="RS256",
                jwt_private_key_file=small,
                jwt_previous_key_files=f"{wrong}, {small}",
                jwt_secret_key=public_bytes("ES256").decode(),
            )
        )

    text = str(caught.value)
    assert "JWT_PRIVATE_KEY_FILE: needs 2048 to 8192 bits" in text
    assert "JWT_PREVIOUS_KEY_FILES: number 1 is not a key in PEM format" in text
    assert "JWT_PREVIOUS_KEY_FILES: number 2 needs 2048 to 8192 bits" in text
    assert "JWT_SECRET_KEY: is an asymmetric key, which cannot be a secret" in text


def test_an_asymmetric_algorithm_needs_a_key():
    with pytest.raises(ValueError, match="JWT_PRIVATE_KEY_FILE: is needed for EdDSA"):
        settings_for(jwt_algorithm="EdDSA")


def test_one_key_is_not_for_two_algorithms(pem_file):
    path = pem_file(private_pem("RS256"))

    with pytest.raises(ConfigurationError, match="is already used with another algorithm"):
        make_keys(
            settings_for(
                jwt_algorithm="PS256",
                jwt_private_key_file=path,
                jwt_previous_key_files=f"RS256:{path}",
            )
        )


@pytest.mark.parametrize(
    ("kind", "algorithm", "expected"),
    [
        ("RS256", "RS256", "RS256"),
        ("RS256", "PS256", "PS256"),
        ("RS256", "HS256", "RS256"),
        ("RS256", "ES256", "RS256"),
        ("ES256", "RS256", "ES256"),
        ("EdDSA", "PS256", "EdDSA"),
    ],
)
def test_a_previous_key_is_for_the_algorithm_of_its_kind(kind, algorithm, expected, pem_file):
    for number, data in enumerate([private_pem(kind), public_bytes(kind)]):
        previous = read_previous(pem_file(data, str(number)), algorithm)
        assert previous.algorithm == expected
        # Refresh tokens are verified by keys that only the private half leads to.
        assert (previous.derived("refresh") is not None) == (data == private_pem(kind))


@pytest.mark.parametrize("kind", ["ES256", "RS256", "EdDSA"])
def test_a_previous_private_key_keeps_refresh_tokens_alive_and_a_public_one_does_not(
    kind, make_client, pem_file, logged
):
    """Their key is derived from the private half; access tokens need the public one alone."""
    old, new = pem_file(private_pem(kind), "old"), pem_file(private_pem(kind, 1), "new")
    public = pem_file(public_bytes(kind), "public")
    store = MemoryStore()
    ring = {"store": store, "jwt_algorithm": kind}
    user = make_client(**ring, jwt_private_key_file=old).register()
    assert logged.events("public_key_only") == []

    public_only = make_client(**ring, jwt_private_key_file=new, jwt_previous_key_files=f"{public}")
    assert public_only.profile(user).status_code == 200
    assert outcome(public_only.refresh(user)) == (401, "TOKEN_INVALID")
    assert outcome(public_only.logout(user)) == (401, "TOKEN_INVALID")
    assert logged.events("token_rejected")[-1]["reason"] == "public_key"
    assert len(logged.events("public_key_only")) == 1

    whole = make_client(**ring, jwt_private_key_file=new, jwt_previous_key_files=f"{old}")
    assert whole.profile(user).status_code == 200
    refreshed = whole.refresh(user)
    assert refreshed.status_code == 200
    assert public_only.refresh(refreshed).status_code == 200  # Its key is the new one's.


def test_a_previous_key_may_say_its_algorithm(pem_file):
    path = pem_file(private_pem("RS256"))

    assert read_previous(type(path)(f"PS256:{path}"), "ES256").algorithm == "PS256"
    assert read_pem(path) == private_pem("RS256")


def test_a_previous_key_on_another_curve_is_unfit(pem_file):
    with pytest.raises(UnfitKeyError):
        read_previous(pem_file(private_pem("P-384")), "ES256")


def test_a_signing_key_that_everyone_can_exchange_stops_the_start(make_client, pem_file):
    path = pem_file(private_pem("ES256"))
    path.chmod(0o622)

    with pytest.raises(Exception, match="JWT_PRIVATE_KEY_FILE: can be written by everyone"):
        make_client(jwt_algorithm="ES256", jwt_private_key_file=path)


def test_a_signing_key_that_everyone_can_read_is_warned_of(make_client, pem_file, logged):
    """Not refused: containers get their secrets with mode 0444."""
    path = pem_file(private_pem("ES256"))
    path.chmod(0o444)

    make_client(jwt_algorithm="ES256", jwt_private_key_file=path)

    assert logged.events("key_file_readable")


def test_a_key_file_beside_a_directory_is_refused(pem_file, tmp_path):
    with pytest.raises(ValueError, match="put this one into JWT_PREVIOUS_KEY_FILES"):
        settings_for(
            jwt_algorithm="ES256",
            jwt_private_key_file=pem_file(private_pem("ES256")),
            jwt_key_directory=tmp_path,
        )


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_tokens_live_through_a_change_of_the_algorithm_and_back(kind, make_client, pem_file):
    """From HS256 to the kind and back again, over one store: every token stays good."""
    from falcon_auth.stores.memory.store import MemoryStore

    store = MemoryStore()
    path = pem_file(private_pem(kind))
    symmetric = make_client(store=store)
    old = symmetric.register()

    asymmetric = make_client(store=store, jwt_algorithm=kind, jwt_private_key_file=path)
    new = asymmetric.login()
    back = make_client(store=store, jwt_previous_key_files=f"{kind}:{path}")

    assert asymmetric.profile(old).status_code == 200
    assert asymmetric.refresh(old).status_code == 200
    assert back.profile(new).status_code == 200
    assert back.refresh(new).status_code == 200
    assert symmetric.profile(new).status_code == 401  # It was never told of the key.
    assert [k["alg"] for k in back.simulate_get("/.well-known/jwks.json").json["keys"]] == [kind]


def test_a_private_key_beside_a_symmetric_algorithm_verifies(make_client, pem_file):
    """So a key can be published ahead of the change."""
    client = make_client(jwt_private_key_file=pem_file(private_pem("EdDSA")))

    (published,) = client.simulate_get("/.well-known/jwks.json").json["keys"]

    assert published["alg"] == "EdDSA"
    assert client.profile(client.register()).status_code == 200


def test_without_a_secret_a_random_one_is_made_and_warned_of(make_client, logged):
    client = make_client(jwt_secret_key=None)

    assert client.profile(client.register()).status_code == 200
    assert logged.events("random_jwt_key")


def test_an_asymmetric_service_needs_no_secret(make_client, pem_file, logged):
    path = pem_file(private_pem("ES256"))
    client = make_client(jwt_secret_key=None, jwt_algorithm="ES256", jwt_private_key_file=path)

    assert client.profile(client.register()).status_code == 200
    assert not logged.events("random_jwt_key")
