"""What start-up says where the settings of factors and passkeys do not fit together."""

import pytest
from conftest import EMAIL, settings_for
from pydantic import ValidationError

from falcon_auth.factors.encryption import make_key
from falcon_auth.factors.setup import relying_party
from falcon_auth.testing.service import TestService

KEY = make_key()
PRODUCTION = {
    "environment": "production",
    "bcrypt_rounds": 12,
    "database_url": "memory:",
    "encryption_keys": KEY,
}


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"encryption_keys": "short"}, "ENCRYPTION_KEYS: number 1 is not 32 bytes"),
        ({"encryption_keys": f"{KEY},{KEY}="}, "ENCRYPTION_KEYS: contains a key twice"),
        (
            {"encryption_keys": KEY, "public_url": "http://127.0.0.1:8000"},
            "PUBLIC_URL: passkeys are bound to a domain",
        ),
        ({"webauthn_rp_id": "https://x.example"}, "WEBAUTHN_RP_ID: passkeys are bound"),
        ({"webauthn_rp_id": "other.example"}, "PUBLIC_URL: its host is neither WEBAUTHN_RP_ID"),
        (
            {"encryption_keys": KEY, "public_url": "http://auth.example.org"},
            "PUBLIC_URL: browsers support passkeys only on https",
        ),
        (
            {"webauthn_rp_id": "a.example", "webauthn_origins": "https://b.example"},
            "WEBAUTHN_ORIGINS: number 1: its host is neither",
        ),
        (PRODUCTION, "PUBLIC_URL: is needed in production"),
    ],
)
def test_what_does_not_fit_is_refused(values, fault):
    with pytest.raises(ValidationError) as caught:
        settings_for(**values)

    assert fault in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://auth.example.org"])
def test_public_url_is_free_where_nothing_is_set_for_factors(clock, url):
    """Development has factors without asking; an app works, wherever the service is."""
    with TestService({"public_url": url}, clock) as service:
        assert service.add_app(service.new_user(EMAIL)).recovery_codes


@pytest.mark.parametrize(
    ("values", "rp_id", "origins"),
    [
        ({}, "localhost", ("http://localhost:8000",)),
        ({"port": 0}, "localhost", ("http://localhost",)),
        ({"public_url": "https://auth.example.org"}, *("auth.example.org",) * 1, None),
        (
            {"webauthn_rp_id": "example.org", "webauthn_origins": "https://a.example.org"},
            "example.org",
            ("https://a.example.org",),
        ),
    ],
)
def test_who_asks_for_passkeys_follows_from_public_url(values, rp_id, origins):
    party = relying_party(settings_for(**values))

    assert party.id == rp_id
    assert party.origins == (origins or ("https://auth.example.org",))
