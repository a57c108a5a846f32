"""Log-in by a provider that others wrote, in Chromium, from the account page and back to it."""

import pytest
from account_page import Visitor
from other_provider import address, apple_key, provider, service
from selenium.webdriver.common.by import By
from third_parties import node_tools

__all__ = ["address", "apple_key", "node_tools", "provider", "service"]  # Fixtures.

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def visitor(browser, service):
    """Somebody whose browser knows neither the service nor the provider."""
    visitor = Visitor(browser, service.app.service.settings.public_url)
    yield visitor
    assert visitor.complaints() == []
    visitor.forget()
    browser.get("about:blank")


@pytest.mark.parametrize(("title", "login"), [("The Provider", "barbara"), ("Apple", "margaret")])
def test_a_user_of_the_account_page_logs_in_by_chromium(visitor, title, login):
    """Apple's form comes from another site, without the cookie; the redirect after it has it."""
    visitor.open()
    visitor.presses(f"Continue with {title}")
    agree(visitor, login)

    visitor.sees("Profile")
    visitor.reads(f"{login}@example.com")
    visitor.is_at("")


def agree(visitor, login):
    """Log in at the provider's own pages, and agree."""
    visitor.sees("Sign-in")
    visitor.browser.find_element(By.NAME, "login").send_keys(login)
    visitor.browser.find_element(By.NAME, "password").send_keys("anything")
    visitor.presses("Sign-in")
    visitor.presses("Continue")
