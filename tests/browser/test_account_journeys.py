"""What people do at the account pages, from the registration to the deletion, in a real browser.

The tests share a service and its clock; each has a user of its own.
"""

import json
from itertools import count

import pyotp
import pytest
from account_page import Visitor
from conftest import PASSWORD, Client, settings_for
from live import serving
from processes import eventually, free_port
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from falcon_auth.service import create_app
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.testing.service import Clock

MAX_BYTES = 60 * 1024
NEW_PASSWORD = "a wholly other sentence"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
# On pages that have passkeys at all, which about:blank has not.
NO_AUTOFILL = """
  if (globalThis.PublicKeyCredential) {
    PublicKeyCredential.isConditionalMediationAvailable = async () => false;
  }
"""
numbers = count(1)


@pytest.fixture(scope="module")
def clock():
    return Clock()


@pytest.fixture(scope="module")
def service(browser, clock, tmp_path_factory):
    """A client of the service that the browser uses."""
    port = free_port()
    settings = settings_for(
        pages=True,
        public_url=f"http://localhost:{port}",
        mail_url=f"file://{tmp_path_factory.mktemp('mails')}",
        mail_from="auth@example.com",
        rate_limit_enabled=False,
    )
    app = create_app(settings, clock=clock, store=MemoryStore())
    with serving(app, threads=8, port=port):
        yield Client(app)
        browser.get("about:blank")  # Lets go of the connections.
    app.service.close()


@pytest.fixture
def visitor(browser, service):
    """Somebody at a browser that knows nothing of the service."""
    visitor = Visitor(browser, service.app.service.settings.public_url)
    yield visitor
    assert visitor.complaints() == []
    assert visitor.kept() == ["{}", ""]
    visitor.forget()


@pytest.fixture
def device(browser):
    """A passkey authenticator in the browser's device."""
    options = VirtualAuthenticatorOptions(
        protocol="ctap2",
        transport="internal",
        has_resident_key=True,
        has_user_verification=True,
        is_user_verified=True,
    )
    browser.add_virtual_authenticator(options)
    yield
    browser.remove_virtual_authenticator()


@pytest.fixture
def without_autofill(browser):
    """A browser that does not offer passkeys in a field."""
    wish = {"source": NO_AUTOFILL}
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", wish)
    yield
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.fixture
def email():
    return f"user{next(numbers)}@example.com"


def register(visitor, email):
    visitor.open("#register")
    visitor.types("E-mail address", email)
    visitor.types("Password", PASSWORD)
    visitor.presses("Create account")
    visitor.sees("Profile")


def log_in(visitor, email, password=PASSWORD):
    visitor.sees("Log in")
    visitor.types("E-mail address", email)
    visitor.types("Password", password)
    visitor.presses("Log in")


def add_app(visitor, clock):
    """Add an authenticator app; return what makes its codes, and the recovery codes."""
    visitor.presses("Add app")
    visitor.presses("Continue")
    secret = visitor.text_of("app-secret").replace(" ", "")
    app = pyotp.TOTP(secret)
    visitor.types("Six-digit code", app.at(clock.now))
    visitor.presses("Add app")
    codes = visitor.text_of("code-list").split("\n")
    visitor.presses("I have saved them")
    return app, codes


def test_an_account_is_made_protected_by_an_app_and_logged_in_to_with_a_code(visitor, clock, email):
    register(visitor, email)
    visitor.reads("Not confirmed")
    visitor.presses("Security")
    visitor.sees("Security")
    visitor.reads("You have not added an app yet.")
    app, codes = add_app(visitor, clock)
    visitor.reads("Authenticator app has been added.", where="[role=status]")
    visitor.reads("You have 10 unused codes left.")
    assert len(codes) == 10

    visitor.presses("Log out")
    log_in(visitor, email)
    visitor.sees("One more step")
    label = "Six-digit code from your authenticator app"
    visitor.types(label, app.at(clock.now))
    visitor.presses("Continue")
    visitor.reads_at(label, "A code works once")
    clock.advance(seconds=30)
    visitor.types(label, app.at(clock.now))
    visitor.presses("Continue")

    visitor.sees("Profile")


def test_a_recovery_code_finishes_a_log_in_and_is_spent(visitor, clock, email):
    register(visitor, email)
    visitor.presses("Security")
    _, codes = add_app(visitor, clock)
    visitor.presses("Log out")
    log_in(visitor, email)
    visitor.presses("Back to the log-in")
    log_in(visitor, email)
    visitor.presses("Use a recovery code instead")
    visitor.types("Recovery code", codes[0])
    visitor.presses_last("Continue")
    visitor.sees("Profile")

    visitor.presses("Security")

    visitor.reads("You have 9 unused codes left.")


def test_a_log_in_that_waits_too_long_for_its_factor_begins_anew(visitor, clock, email):
    register(visitor, email)
    visitor.presses("Security")
    app, _ = add_app(visitor, clock)
    visitor.presses("Log out")
    log_in(visitor, email)
    visitor.sees("One more step")
    clock.advance(minutes=6)
    visitor.types("Six-digit code from your authenticator app", app.at(clock.now))
    visitor.presses("Continue")

    visitor.sees("Log in")
    visitor.reads("took too long", where=".message")


def test_a_link_page_finishes_a_log_in_with_a_code_too(visitor, clock, email, service):
    register(visitor, email)
    visitor.presses("Security")
    app, _ = add_app(visitor, clock)
    visitor.presses("Log out")
    visitor.sees("Log in")

    visitor.open("verify#token=junk")
    visitor.types("Password", PASSWORD)
    visitor.presses("Confirm address")
    visitor.sees("This link does not work")
    visitor.types("E-mail address", email)
    visitor.types("Password", PASSWORD)
    visitor.presses("Log in and send a new link")
    visitor.sees("One more step")
    clock.advance(seconds=30)
    visitor.types("Six-digit code from your authenticator app", app.at(clock.now))
    visitor.presses("Continue")

    visitor.sees("A new link is on its way")


def test_a_passkey_logs_in_alone_as_second_factor_and_confirms(
    visitor, clock, email, device, without_autofill
):
    register(visitor, email)
    visitor.presses("Security")
    visitor.presses("Add passkey")
    visitor.types("Name, so that you recognise it", "My laptop")
    visitor.presses("Continue")
    visitor.reads("Your recovery codes", where="dialog h2")
    visitor.presses("I have saved them")
    visitor.reads("My laptop")
    visitor.presses("Log out")
    visitor.sees("Log in")
    visitor.presses("Log in with a passkey")
    visitor.sees("Profile")
    visitor.presses("Log out")
    log_in(visitor, email)
    visitor.presses("Use a passkey")
    visitor.sees("Profile")

    clock.advance(minutes=11)
    visitor.presses("Security")
    visitor.presses("Remove My laptop")
    visitor.presses("Remove")
    visitor.reads("Is it you?", where="dialog h2")
    visitor.presses("Use a passkey")

    visitor.reads("You have no passkey yet.")


def test_a_passkey_is_offered_in_the_field_of_the_address(visitor, email, device):
    """The virtual authenticator chooses it at once, as a person does from the browser's list."""
    register(visitor, email)
    visitor.presses("Security")
    visitor.presses("Add passkey")
    visitor.presses("Continue")
    visitor.presses("I have saved them")
    visitor.presses("Log out")

    visitor.sees("Profile")
    visitor.reads(email)


def test_another_session_is_seen_and_ended(visitor, service, email):
    register(visitor, email)
    other = service.login(email, headers={"User-Agent": IPHONE})

    visitor.presses("Devices")
    visitor.reads("This device")
    visitor.presses("Log out Safari on iPhone")
    visitor.reads("Safari on iPhone is logged out.", where="[role=status]")

    assert service.profile(other).json["code"] == "TOKEN_REVOKED"
    visitor.presses("Profile")
    visitor.sees("Profile")


def test_what_has_happened_is_seen_a_page_at_a_time(visitor, service, email):
    register(visitor, email)
    for _ in range(21):
        assert service.login(email).status_code == 200
    service.login(email, "a wrong guess", headers={"User-Agent": IPHONE})

    visitor.presses("Activity")
    visitor.reads("Failed log-in")
    visitor.reads("Safari on iPhone")
    assert "Account created" not in visitor.text_of("events")
    visitor.presses("Show earlier events")

    visitor.reads("Account created")


def test_all_sessions_are_ended_at_once(visitor, service, email):
    register(visitor, email)
    visitor.presses("Devices")
    visitor.presses("Log out everywhere")
    visitor.presses_last("Log out everywhere")

    visitor.sees("Log in")
    visitor.reads("You are logged out everywhere.", where="[role=status]")


def test_a_deletion_asks_asks_who_is_there_and_deletes(visitor, clock, service, email):
    register(visitor, email)
    clock.advance(minutes=11)
    visitor.presses("Your data")
    visitor.presses("Delete my account")
    visitor.presses("Delete account")
    visitor.types("Password", "a wrong guess")
    visitor.presses("Continue")
    visitor.reads_at("Password", "is wrong")
    visitor.presses_last("Cancel")
    visitor.presses("Cancel")
    assert service.login(email).status_code == 200

    visitor.presses("Delete my account")
    visitor.presses("Delete account")
    visitor.types("Password", PASSWORD)
    visitor.presses("Continue")

    visitor.sees("Log in")
    visitor.reads("Your account has been deleted.", where="[role=status]")
    assert service.login(email).status_code == 401


def test_name_password_and_address_are_changed(visitor, service, email):
    service.register("taken@example.com", username="taken_name")
    register(visitor, email)
    visitor.presses("Change user name")
    visitor.types("User name", "taken_name")
    visitor.presses("Save")
    visitor.reads_at("User name", "already uses this user name")
    visitor.types("User name", "a b")
    visitor.presses("Save")
    visitor.reads_at("User name", "letters")
    visitor.types("User name", email.partition("@")[0])
    visitor.presses("Save")
    visitor.reads("Saved.", where="[role=status]")
    visitor.presses("Change address")
    visitor.types("New e-mail address", f"new-{email}")
    visitor.presses("Send link to the new address")
    visitor.reads(f"on its way to new-{email}", where="[role=status]")

    visitor.presses("Security")
    visitor.presses("Change password")
    visitor.types("Current password", "a wrong guess")
    visitor.types("New password", NEW_PASSWORD)
    visitor.presses_last("Change password")
    visitor.reads_at("Current password", "is wrong")
    visitor.types("Current password", PASSWORD)
    visitor.presses_last("Change password")
    visitor.reads("has been changed", where="[role=status]")

    assert service.login(email, NEW_PASSWORD).status_code == 200


def test_all_data_is_downloaded(visitor, browser, email, tmp_path):
    wish = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", wish)
    register(visitor, email)
    visitor.presses("Your data")
    visitor.presses("Download my data")

    file = tmp_path / "account.json"
    assert eventually(file.exists)
    assert json.loads(file.read_text())["user"]["email"] == email


def test_the_pages_are_light(visitor, browser, email):
    """All that a browser fetches, bodies and heads, until every section has been looked at."""
    browser.execute_cdp_cmd("Network.clearBrowserCache", {})
    register(visitor, email)
    for section in ("Security", "Devices", "Activity", "Your data"):
        visitor.presses(section)
        visitor.sees(section)

    sizes = browser.execute_script(
        """return [...performance.getEntriesByType("navigation"),
            ...performance.getEntriesByType("resource")].map((each) => each.transferSize)"""
    )

    assert len(sizes) > 20
    assert sum(sizes) < MAX_BYTES
