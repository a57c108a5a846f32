"""Server metadata (RFC 8414): where a verifier elsewhere finds keys and endpoints."""

import pytest
from conftest import outcome

from falcon_auth.api.validators import validator_of

METADATA = "/.well-known/oauth-authorization-server"


def test_metadata_name_the_issuer_the_keys_and_the_endpoints_under_the_public_url(make_client):
    client = make_client(
        jwt_issuer="https://auth.example",
        public_url="https://public.example/a/",
        scopes=("notes:read", "users:read"),
    )

    answer = client.simulate_get(METADATA)

    validator_of("metadata").validate(answer.json)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {
        "issuer": "https://auth.example",
        "jwks_uri": "https://public.example/a/.well-known/jwks.json",
        "introspection_endpoint": "https://public.example/a/api/v1/auth/introspect",
        "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "Bearer",
        ],
        "revocation_endpoint": "https://public.example/a/api/v1/auth/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
        "scopes_supported": [
            "admin",
            "audit:read",
            "notes:read",
            "roles:write",
            "users:read",
            "users:write",
        ],
    }


def test_an_issuer_with_a_path_is_found_where_rfc_8414_looks_and_at_the_plain_path(make_client):
    client = make_client(jwt_issuer="https://auth.example/tenants/one/")

    for path in (METADATA, f"{METADATA}/tenants/one"):
        assert client.simulate_get(path).json["issuer"] == "https://auth.example/tenants/one/"
    assert outcome(client.simulate_get(f"{METADATA}/tenants")) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "issuer",
    [None, "us", "auth.example", "https://", "https://a.example?b", "urn:auth", "https://a/{b}"],
)
def test_an_issuer_that_is_not_a_url_has_no_metadata(make_client, issuer):
    client = make_client(jwt_issuer=issuer)

    assert outcome(client.simulate_get(METADATA)) == (404, "NOT_FOUND")


def test_unchanged_metadata_are_answered_304(make_client):
    client = make_client(jwt_issuer="https://auth.example")
    etag = client.simulate_get(METADATA).headers["ETag"]

    assert client.simulate_get(METADATA, headers={"If-None-Match": etag}).status_code == 304
