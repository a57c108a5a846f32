"""What RETURN_URLS may hold is checked at start-up, and no fault quotes a value."""

import pytest
from conftest import settings_for
from pydantic import ValidationError

from falcon_auth.providers.return_urls import check_return_url


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://app.example.com/in?next=secret", "without query"),
        ("http://app.example.com/secret", "begins with https://"),
        ("https://app.example.com/\\secret", "RFC 3986"),
    ],
)
def test_a_prefix_that_is_no_place_to_return_to_is_refused(url, fault):
    with pytest.raises(ValueError, match=fault) as refused:
        check_return_url(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://app.example.com/in", "http://127.0.0.1:3000/"])
def test_https_and_this_machine_may_be_returned_to(url):
    assert check_return_url(url) == url


def test_settings_of_providers_belong_together(tmp_path):
    with pytest.raises((ValidationError, ValueError), match="no use without PROVIDERS_FILE"):
        settings_for(return_urls="https://app.example.com/")
    with pytest.raises((ValidationError, ValueError), match="is needed with PROVIDERS_FILE"):
        settings_for(providers_file=tmp_path / "providers.json", pages=False)
    with pytest.raises((ValidationError, ValueError), match="PUBLIC_URL: is needed"):
        settings_for(
            environment="production",
            bcrypt_rounds=12,
            database_url="memory:",
            providers_file=tmp_path / "providers.json",
            return_urls="https://app.example.com/",
        )
