"""The account pages as axe-core sees them: in every state, in light and dark colours.

It knows the success criteria of WCAG 2.2 that a program can check, contrast among them.
"""

import pyotp
import pytest
from account_page import LINKS, ada, address, client, log_in, mails, server
from conftest import EMAIL, PASSWORD
from third_parties import node_tools

__all__ = ["ada", "address", "client", "mails", "node_tools", "server"]  # Fixtures.

# The first one installs the tools.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RUN = "axe.run(document).then((found) => arguments[0](found.violations))"


@pytest.fixture
def assert_accessible(ada, browser, node_tools):
    """Return a function that has the page looked through, in both colour schemes."""
    axe = (node_tools.parent / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

    def look():
        for scheme in ("light", "dark"):
            ada.look_by("phone", scheme)
            browser.execute_script(axe)
            violations = browser.execute_async_script(RUN)
            found = [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations]
            assert found == [], (scheme, ada.address)

    return look


@pytest.mark.parametrize("page", LINKS)
def test_axe_finds_nothing_at_a_page_with_its_link_and_without(ada, mails, assert_accessible, page):
    ada.open_mail(mails.send(page, EMAIL))
    ada.sees(LINKS[page][0])
    assert_accessible()
    ada.presses("Use the new address" if page == "email" else "Show password")
    assert_accessible()

    ada.forget()
    ada.open(page)
    ada.reads("needs the link from a mail")
    assert_accessible()


def test_axe_finds_nothing_at_a_form_that_says_what_is_wrong(ada, assert_accessible):
    ada.open()
    ada.presses("Log in")
    ada.reads_at("Password", "fill out this field")
    assert_accessible()
    log_in(ada, "a wrong guess")
    ada.reads("wrong", where=".message")
    assert_accessible()


def test_axe_finds_nothing_at_the_account(ada, client, mails, assert_accessible):
    ada.open()
    ada.presses("Forgot your password?")
    ada.sees("Forgot your password?")
    ada.types("E-mail address", EMAIL)
    assert_accessible()
    ada.presses("Send link")
    ada.sees("Check your mailbox")
    assert_accessible()
    log_in(ada)
    ada.presses("Send the mail again")
    ada.reads("on its way", where="[role=status]")
    assert_accessible()
    (token,) = [mail.token for mail in mails.sent if mail.page == "verify"]
    body = {"token": token, "password": PASSWORD}
    assert client.post("/api/v1/auth/email/verify", body).status_code == 204
    ada.open()
    ada.reads("Confirmed")
    assert_accessible()


def test_axe_finds_nothing_at_the_registration_and_every_section_with_its_dialogues(
    ada, clock, assert_accessible
):
    ada.open()
    ada.presses("Create an account")
    assert_accessible()
    log_in(ada)
    for section in ("Security", "Devices", "Activity", "Your data"):
        ada.presses(section)
        ada.sees(section)
        assert_accessible()
    ada.presses("Delete my account")
    assert_accessible()
    ada.presses("Cancel")

    ada.presses("Security")
    ada.presses("Change password")
    assert_accessible()
    ada.presses("Add app")
    assert_accessible()
    ada.presses("Continue")
    app = pyotp.TOTP(ada.text_of("app-secret").replace(" ", ""))
    assert_accessible()
    ada.types("Six-digit code", app.at(clock.now))
    ada.presses("Add app")
    ada.text_of("code-list")
    assert_accessible()
    ada.presses("I have saved them")
    ada.presses("Log out")
    ada.sees("Log in")
    log_in(ada)
    ada.sees("One more step")
    assert_accessible()
