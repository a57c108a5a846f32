"""What Microsoft and Apple do in their own ways."""

import json
import ssl

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from lying_provider import CLIENT_ID, CLIENT_SECRET

from falcon_auth.breaker import Breaker
from falcon_auth.errors import ProviderRefusedError
from falcon_auth.models import SpentChallenge
from falcon_auth.providers.apple import LIFETIME_SECONDS, AppleSecret
from falcon_auth.providers.configuration import read_providers
from falcon_auth.providers.conversation import Credentials, Line, Seats
from falcon_auth.providers.documents import Documents
from falcon_auth.providers.openid import OpenIdProvider, Registered
from falcon_auth.providers.provider import Attempt

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
ATTEMPT = Attempt(
    provider="microsoft",
    state="state",
    nonce="nonce",
    verifier="v" * 43,
    return_to="https://app.example.com",
    link_for=None,
    spent=SpentChallenge("state", 0),
)


@pytest.fixture
def vouch(idp, clock):
    """Log in at a Microsoft of several tenants; return whom it vouches for."""
    template = f"{idp.url}/{{tenantid}}/v2.0"
    idp.metadata = {"issuer": template, "authorization_response_iss_parameter_supported": False}
    credentials = Credentials(
        client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET, method="client_secret_post"
    )
    provider = OpenIdProvider(
        Registered(
            name="microsoft",
            title="Microsoft",
            issuer=template,
            client_id=CLIENT_ID,
            scopes=("openid", "email"),
            redirect_uri="https://auth.example.com/callback",
            verified_claim="xms_edov",
        ),
        Line(
            credentials,
            Breaker("microsoft", threshold=5, timeout=60),
            Seats.of_all(),
            ssl.create_default_context(),
        ),
        Documents(template, idp.url, insecure=True, monotonic=lambda: 0.0),
        clock,
    )

    def vouch(**claims):
        idp.claims = {"iss": f"{idp.url}/{TENANT}/v2.0", "tid": TENANT} | claims
        answer = idp.visit(provider.authorization_url(ATTEMPT))
        return provider.redeem({"code": answer["code"], "state": "state"}, ATTEMPT)

    return vouch


def test_the_issuer_of_a_microsoft_identity_is_its_tenants(vouch, idp):
    assert vouch().issuer == f"{idp.url}/{TENANT}/v2.0"


@pytest.mark.parametrize(
    "claims",
    [
        {"tid": None},
        {"tid": "../evil"},
        {"tid": 7},
        {"tid": "00000000-0000-0000-0000-000000000000"},
        {"iss": "https://evil.example/v2.0"},
    ],
    ids=str,
)
def test_a_token_of_another_tenant_than_it_says_is_refused(vouch, claims):
    with pytest.raises(ProviderRefusedError):
        vouch(**claims)


@pytest.mark.parametrize("stated", [True, "true", "1", 1])
def test_an_address_is_verified_where_the_tenant_owns_its_domain(vouch, stated):
    assert vouch(xms_edov=stated).email_verified


@pytest.mark.parametrize("stated", [None, False, "false", "0", 0, 2, ["true"]])
def test_without_that_claim_no_address_of_microsoft_is_verified(vouch, stated):
    """Whatever `email_verified` says: a tenant can state any address."""
    vouched = vouch(xms_edov=stated, email_verified=True)

    assert (vouched.email, vouched.email_verified) == ("ada@example.com", False)


@pytest.mark.parametrize(
    ("tenant", "issuer", "discovery"),
    [
        (TENANT, TENANT, TENANT),
        ("common", "{tenantid}", "common"),
        ("organizations", "{tenantid}", "organizations"),
        (
            "consumers",
            "9188040d-6c67-4c5b-b112-36a304b66dad",
            "9188040d-6c67-4c5b-b112-36a304b66dad",
        ),
    ],
)
def test_the_tenant_says_where_discovery_begins_and_who_vouches(tenant, issuer, discovery):
    entry = {"name": "ms", "preset": "microsoft", "client_id": "id", "client_secret": "s"}
    data = json.dumps([entry | {"tenant": tenant}]).encode()

    [found] = read_providers(data, {}, insecure=False)

    assert found.issuer == f"https://login.microsoftonline.com/{issuer}/v2.0"
    assert found.discovery == f"https://login.microsoftonline.com/{discovery}/v2.0"


def pem_of(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def make_secret(pem, clock):
    return AppleSecret(
        team_id="TEAM567890",
        key_id="KEY4567890",
        client_id="com.example.web",
        audience="https://appleid.apple.com",
        pem=pem,
        clock=clock,
    )


def test_apples_client_secret_is_a_token_of_five_minutes(clock):
    key = ec.generate_private_key(ec.SECP256R1())
    secret = make_secret(pem_of(key), clock)

    first = secret()
    clock.advance(seconds=LIFETIME_SECONDS)
    second = secret()

    assert jwt.get_unverified_header(first) == {"alg": "ES256", "kid": "KEY4567890", "typ": "JWT"}
    found = [
        jwt.decode(
            each,
            key.public_key(),
            ["ES256"],
            audience="https://appleid.apple.com",
            issuer="TEAM567890",
            subject="com.example.web",
            options={"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "sub"]},
        )
        for each in (first, second)
    ]
    assert [each["exp"] - each["iat"] for each in found] == [300, 300]
    assert found[1]["iat"] == found[0]["exp"] == clock()


@pytest.mark.parametrize(
    "pem",
    [
        "junk",
        "",
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(rsa.generate_private_key(65537, 2048)),
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    ],
    ids=["junk", "nothing", "P-384", "RSA", "public"],
)
def test_no_other_key_is_apples(pem, clock):
    with pytest.raises(ValueError, match="is not a private key") as caught:
        make_secret(pem, clock)

    assert not pem or pem not in str(caught.value)
