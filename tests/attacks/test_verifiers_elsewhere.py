"""Verifiers that others wrote, set up as carelessly as they allow: no refresh token passes.

Each knows what any service may know (the key set, or the shared secret), allows every algorithm,
and checks neither `type` nor `typ`, nor issuer, nor audience.
"""

import warnings

import joserfc.errors
import joserfc.jwk
import joserfc.jwt
import jwt
import pytest
from conftest import SECRET_KEY
from key_material import private_pem

from falcon_auth.keys import SYMMETRIC

with warnings.catch_warnings(record=True):  # It gives way to joserfc, and is still widely in use.
    import authlib.jose

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

EVERY_ALGORITHM = ["HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"]
SECRET = SECRET_KEY * 2  # As long as HS512 asks for.


def with_pyjwt(token, keys, secret):
    if keys["keys"]:
        kid = jwt.get_unverified_header(token)["kid"]
        key = jwt.PyJWKSet.from_dict(keys)[kid].key
    else:
        key = secret
    return jwt.decode(token, key, EVERY_ALGORITHM, options={"verify_iat": False})


def with_pyjwk(token, keys, secret):
    """The key itself says what it is for."""
    if not keys["keys"]:
        return with_pyjwt(token, keys, secret)
    kid = jwt.get_unverified_header(token)["kid"]
    return jwt.decode(token, jwt.PyJWKSet.from_dict(keys)[kid], options={"verify_iat": False})


def with_joserfc(token, keys, secret):
    key = (
        joserfc.jwk.KeySet.import_key_set(keys)
        if keys["keys"]
        else joserfc.jwk.OctKey.import_key(secret)
    )
    return joserfc.jwt.decode(token, key, algorithms=EVERY_ALGORITHM).claims


def with_authlib(token, keys, secret):
    key = authlib.jose.JsonWebKey.import_key_set(keys) if keys["keys"] else secret
    return authlib.jose.JsonWebToken(EVERY_ALGORITHM).decode(token, key)


# Each with what it raises: where a key is of the wrong kind for HS256, PyJWT and authlib stumble.
VERIFIERS = {
    "PyJWT": (with_pyjwt, (jwt.PyJWTError, TypeError)),
    "PyJWT by the key's own algorithm": (with_pyjwk, jwt.PyJWTError),
    "joserfc": (with_joserfc, joserfc.errors.JoseError),
    "authlib": (with_authlib, (authlib.jose.errors.JoseError, KeyError)),
}


@pytest.fixture(params=["HS256", "HS512", "RS256", "PS256", "ES256", "EdDSA"])
def service(request, make_client, tmp_path):
    algorithm = request.param
    settings = {"jwt_algorithm": algorithm, "jwt_secret_key": SECRET}
    if algorithm not in SYMMETRIC:
        file = tmp_path / "signing.pem"
        file.write_bytes(private_pem(algorithm))
        file.chmod(0o600)
        settings = {"jwt_algorithm": algorithm, "jwt_private_key_file": file}
    return make_client(**settings)


@pytest.mark.parametrize("name", VERIFIERS)
def test_a_refresh_token_passes_at_no_verifier_elsewhere(name, service):
    user = service.register()
    keys = service.simulate_get("/.well-known/jwks.json").json
    verify, refusal = VERIFIERS[name]
    assert verify(user.json["access_token"], keys, SECRET)["type"] == "access"

    with pytest.raises(refusal):
        verify(user.json["refresh_token"], keys, SECRET)
