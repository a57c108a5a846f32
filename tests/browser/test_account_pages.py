"""The account pages in a real browser: from the link in a mail to what comes of it."""

from dataclasses import replace

import pytest
from account_page import LINKS, SIZES, ada, address, client, log_in, mails, server
from conftest import EMAIL, PASSWORD
from post_office import NEW_EMAIL
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

__all__ = ["ada", "address", "client", "mails", "server"]  # Fixtures.

NEW_PASSWORD = "a wholly other sentence"
API = "/api/v1/auth/"


# --- Links


@pytest.mark.parametrize("page", LINKS)
def test_opening_a_link_changes_nothing_and_its_token_is_nowhere_to_be_seen(
    ada, server, mails, logged, page
):
    """Mail scanners open links; addresses and Referers are in logs and histories."""
    mail = mails.send(page, EMAIL)

    ada.open_mail(mail)
    ada.sees(LINKS[page][0])

    assert server.posts() == []
    assert ada.address == f"{server.url}/account/{page}"
    assert "HTTP_REFERER" not in server.text
    assert mail.token not in server.text + logged.text


def test_an_address_is_confirmed_by_link_and_password(ada, client, server, mails):
    ada.open_mail(mails.send("verify", EMAIL))
    ada.types("Password", PASSWORD)
    ada.presses("Confirm address")

    ada.sees("Your address is confirmed")
    assert mails.user(EMAIL).email_verified
    ada.presses("Go to your account")
    ada.sees("Log in")


def test_a_wrong_password_is_shown_at_the_field_and_the_link_still_works(ada, mails):
    ada.open_mail(mails.send("verify", EMAIL))
    ada.types("Password", "a wrong guess")
    ada.presses("Confirm address")
    ada.reads_at("Password", "is wrong")
    assert ada.focused == "Password"

    ada.types("Password", PASSWORD)
    ada.presses("Confirm address")

    ada.sees("Your address is confirmed")


def test_a_logged_in_user_confirms_the_address_without_a_password(ada, mails):
    log_in(ada)
    ada.reads("Not confirmed")

    ada.open_mail(mails.send("verify", EMAIL))
    ada.reads(f"You are logged in as {EMAIL}")
    ada.presses("Confirm address")

    ada.sees("Your address is confirmed")
    ada.presses("Go to your account")
    ada.reads("Confirmed")


def test_in_another_users_session_the_password_of_the_account_is_asked_for(ada, client, mails):
    """Who is logged in elsewhere in this browser does not confirm this account."""
    client.register("eve@example.com")
    log_in(ada, email="eve@example.com")
    ada.sees("Profile")

    ada.open_mail(mails.send("verify", EMAIL))
    ada.presses("Confirm address")
    ada.reads("a different account from the one that you are logged in to")
    ada.types("Password", PASSWORD)
    ada.presses("Confirm address")

    ada.sees("Your address is confirmed")
    assert mails.user(EMAIL).email_verified
    assert not mails.user("eve@example.com").email_verified


def test_where_the_session_is_over_the_password_is_asked_for(ada, client, mails):
    log_in(ada)
    ada.sees("Profile")
    ada.open_mail(mails.send("verify", EMAIL))
    ada.reads("You are logged in as")
    client.as_user("DELETE", "/api/v1/auth/sessions", client.login())

    ada.presses("Confirm address")
    ada.types("Password", PASSWORD)
    ada.presses("Confirm address")

    ada.sees("Your address is confirmed")


def test_an_expired_link_is_replaced_after_logging_in_on_the_page(ada, clock, mails):
    mail = mails.send("verify", EMAIL)
    clock.advance(hours=25)

    ada.open_mail(mail)
    ada.types("Password", PASSWORD)
    ada.presses("Confirm address")
    ada.sees("This link does not work")
    ada.reads("limited time")
    ada.types("E-mail address", EMAIL)
    ada.types("Password", PASSWORD)
    ada.presses("Log in and send a new link")

    ada.sees("A new link is on its way")
    ada.open_mail(mails.sent[-1])
    ada.presses("Confirm address")
    ada.sees("Your address is confirmed")


def test_in_a_session_an_expired_link_is_replaced_by_one_press(ada, clock, mails):
    mail = mails.send("verify", EMAIL)
    clock.advance(hours=25)
    log_in(ada)
    ada.sees("Profile")

    ada.open_mail(mail)
    ada.presses("Confirm address")
    ada.presses("Send a new link")

    ada.sees("A new link is on its way")
    assert mails.sent[-1] != mail


@pytest.mark.parametrize(
    ("page", "button", "done"),
    [
        ("reset", "Set password", "Your password has been changed"),
        ("invitation", "Accept invitation", "Your account is ready"),
    ],
)
def test_a_password_is_set_by_link_and_logs_in(ada, client, mails, page, button, done):
    ada.open_mail(mails.send(page, EMAIL))
    ada.types("New password" if page == "reset" else "Password", NEW_PASSWORD)
    ada.presses(button)
    ada.sees(done)
    ada.presses("Log in")
    ada.sees("Log in")
    log_in(ada, NEW_PASSWORD)

    ada.sees("Profile")
    ada.reads("Confirmed")
    assert client.login().status_code == 401


def test_a_violation_of_the_password_policy_is_shown_at_the_field(ada, mails):
    ada.open_mail(mails.send("reset", EMAIL))
    ada.presses("Set password")
    ada.reads_at("New password", "fill out this field")  # The browser's own words.

    ada.types("New password", "password1")
    ada.presses("Set password")
    ada.reads_at("New password", "among the most common ones")
    ada.types("New password", NEW_PASSWORD)
    assert ada.finds("New password").get_attribute("aria-invalid") is None
    ada.presses("Set password")

    ada.sees("Your password has been changed")


def test_a_password_can_be_shown_and_hidden(ada, mails):
    ada.open_mail(mails.send("reset", EMAIL))
    field = ada.finds("New password")

    seen = [field.get_attribute("type")]
    for name in ("Show password", "Hide password"):
        ada.presses(name)
        seen.append(field.get_attribute("type"))

    assert seen == ["password", "text", "password"]
    assert field.get_attribute("autocomplete") == "new-password"


def spend(mails, clock, mail):
    mails.client.change_password(mails.client.login(), PASSWORD, "yet another sentence")
    return mail


def expire(mails, clock, mail):
    clock.advance(days=8)
    return mail


def damage(mails, clock, mail):
    return replace(mail, token=mail.token[:-3])


def swell(mails, clock, mail):
    return replace(mail, token=mail.token + "x" * 5000)


@pytest.mark.parametrize("page", ["reset", "invitation"])
@pytest.mark.parametrize(
    ("end", "why"),
    [
        (spend, "has been used already"),
        (expire, "for a limited time"),
        (damage, "incomplete or damaged"),
        (swell, "incomplete or damaged"),  # Which the schema is against: a 422.
    ],
)
def test_a_link_that_is_over_says_why_and_offers_a_new_one(ada, clock, mails, page, end, why):
    ada.open_mail(end(mails, clock, mails.send(page, EMAIL)))
    ada.types("New password" if page == "reset" else "Password", NEW_PASSWORD)
    ada.presses("Set password" if page == "reset" else "Accept invitation")

    ada.reads(why)
    assert ada.finds("E-mail address")


@pytest.mark.parametrize("page", ["reset", "invitation"])
def test_a_link_that_is_over_is_replaced(ada, clock, mails, page):
    ada.open_mail(expire(mails, clock, mails.send(page, EMAIL)))
    ada.types("New password" if page == "reset" else "Password", NEW_PASSWORD)
    ada.presses("Set password" if page == "reset" else "Accept invitation")
    ada.types("E-mail address", EMAIL)
    ada.presses("Send a new link" if page == "reset" else "Send a link")

    ada.sees("Check your mailbox")
    ada.reads(EMAIL)
    ada.open_mail(mails.sent[-1])
    ada.types("New password", NEW_PASSWORD)
    ada.presses("Set password")
    ada.sees("Your password has been changed")


def test_a_page_without_its_link_says_where_that_is(ada, server):
    for page in LINKS:
        ada.open(page)

        ada.reads("needs the link from a mail")
    assert server.posts() == []


def test_a_change_of_address_is_confirmed_by_one_press(ada, client, mails):
    ada.open_mail(mails.send("email", EMAIL))
    ada.presses("Use the new address")

    ada.sees("Your address has been changed")
    log_in(ada, email=NEW_EMAIL)
    ada.reads(NEW_EMAIL)


@pytest.mark.parametrize("taken", [True, False])
def test_an_address_that_was_taken_or_a_late_link_leads_to_another_try(
    ada, client, clock, mails, taken
):
    mail = mails.send("email", EMAIL)
    if taken:
        client.register(NEW_EMAIL)
    else:
        clock.advance(hours=2)

    ada.open_mail(mail)
    ada.presses("Use the new address")
    ada.reads("taken the new address meanwhile" if taken else "for a limited time")
    ada.types("Current e-mail address", EMAIL)
    ada.types("Password", PASSWORD)
    ada.types("New e-mail address", "lady@example.com")
    ada.presses("Send a new link")
    ada.sees("Check your new mailbox")
    ada.open_mail(mails.sent[-1])
    ada.presses("Use the new address")

    ada.sees("Your address has been changed")
    assert mails.user("lady@example.com").email_verified


def test_a_page_that_is_loaded_again_has_its_link_still_until_it_is_spent(ada, browser, mails):
    """Phones drop pages that wait in the background, while a password is looked up elsewhere."""
    ada.open_mail(mails.send("reset", EMAIL))
    ada.sees("Choose a new password")
    browser.refresh()
    ada.types("New password", NEW_PASSWORD)
    ada.presses("Set password")
    ada.sees("Your password has been changed")
    browser.refresh()

    ada.reads("needs the link from a mail")


def test_another_link_in_the_same_tab_is_the_one_that_counts(ada, browser, server, mails):
    first, second = (mails.send("reset", EMAIL) for _ in range(2))
    ada.open_mail(damage(mails, None, first))
    ada.sees("Choose a new password")

    browser.get(second.link)  # Only the fragment is new.
    ada.is_at("reset")
    ada.types("New password", NEW_PASSWORD)
    ada.presses("Set password")

    ada.sees("Your password has been changed")


# --- The account


def test_a_user_logs_in_sees_where_they_are_asks_for_the_mail_and_logs_out(
    ada, client, server, mails
):
    log_in(ada)
    ada.sees("Profile")
    assert ada.focused == "Profile"  # A screen reader goes on there.
    ada.reads(EMAIL)
    ada.reads("Not confirmed")
    ada.presses("Send the mail again")
    ada.reads("on its way", where="[role=status]")
    assert [(mail.page, mail.to) for mail in mails.sent] == [("verify", EMAIL)]

    ada.presses("Log out")

    ada.sees("Log in")
    assert ada.finds("Password").get_attribute("value") == ""
    assert server.posts()[-1] == f"{API}logout"
    ada.open()
    ada.sees("Log in")


def test_all_tabs_share_a_session_and_its_end(ada, browser, server):
    log_in(ada)
    ada.sees("Profile")
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(f"{server.url}/account/#devices")
    ada.sees("Devices")
    assert browser.get_cookies() == []  # The cookie is not for this path, nor for scripts.

    ada.presses("Log out")
    ada.sees("Log in")
    browser.close()
    browser.switch_to.window(first)

    ada.sees("Log in")
    ada.reads("You have been logged out")


def test_a_session_goes_on_when_its_access_token_has_expired(ada, clock):
    log_in(ada)
    ada.sees("Profile")
    clock.advance(minutes=16)

    ada.presses("Send the mail again")

    ada.reads("on its way", where="[role=status]")


def test_a_session_that_was_ended_elsewhere_is_over_here(ada, client, browser):
    log_in(ada)
    ada.sees("Profile")
    client.as_user("DELETE", "/api/v1/auth/sessions", client.login())

    ada.presses("Send the mail again")
    ada.sees("Log in")
    ada.reads("You have been logged out")
    browser.refresh()
    ada.sees("Log in")


def test_a_forgotten_password_is_asked_for_at_the_log_in(ada, mails):
    ada.open()
    ada.sees("Log in")
    ada.presses("Forgot your password?")
    ada.sees("Forgot your password?")
    ada.types("E-mail address", EMAIL)
    ada.presses("Send link")

    ada.sees("Check your mailbox")
    assert [mail.page for mail in mails.sent] == ["reset"]
    ada.presses("Back to the log-in")
    ada.sees("Log in")


def test_too_many_attempts_say_when_to_come_back(ada):
    for _ in range(4):
        log_in(ada, "a wrong guess")
        ada.reads("wrong" if _ < 3 else "too many attempts", where=".message")

    ada.reads("try again in", where=".message")


def test_without_a_network_nothing_is_lost_and_it_says_so(ada):
    log_in(ada)
    ada.sees("Profile")
    with ada.offline():
        ada.presses("Log out")
        ada.reads("cannot be reached", where="[role=alert]")

    ada.presses("Log out")

    ada.sees("Log in")


def test_a_form_that_is_sent_twice_at_once_is_sent_once(ada, browser, server):
    ada.open()
    ada.sees("Log in")
    ada.types("E-mail address", EMAIL)
    ada.types("Password", PASSWORD)

    script = "const f = document.getElementById('login'); f.requestSubmit(); f.requestSubmit()"
    browser.execute_script(script)

    ada.sees("Profile")
    assert server.posts() == [f"{API}login"]


# --- For everyone


def test_everything_is_done_by_keyboard_alone(ada, browser, mails):
    def keys(*pressed):
        ActionChains(browser).send_keys(*pressed).perform()

    def back(times):
        chain = ActionChains(browser).key_down(Keys.SHIFT).send_keys(*[Keys.TAB] * times)
        chain.key_up(Keys.SHIFT).send_keys(Keys.ENTER).perform()

    ada.open_mail(mails.send("reset", EMAIL))
    ada.sees("Choose a new password")
    focused = []
    for _ in range(4):
        keys(Keys.TAB)
        focused.append(ada.focused)

    assert focused == ["Falcon Auth", "New password", "Show", "Set password"]
    ada.finds("New password").send_keys(NEW_PASSWORD)
    keys(Keys.ENTER)
    ada.sees("Your password has been changed")
    assert ada.focused == "Your password has been changed"
    keys(Keys.TAB, Keys.ENTER)
    ada.sees("Log in")
    keys(Keys.TAB, Keys.TAB, EMAIL, Keys.TAB, NEW_PASSWORD, Keys.ENTER)
    ada.sees("Profile")
    back(3)  # From the heading to "Devices".
    ada.sees("Devices")
    ada.reads("This device")
    back(6)  # And to the log-out.
    ada.sees("Log in")


def test_what_has_the_focus_is_seen_to_have_it(ada, browser):
    ada.open()
    ada.sees("Log in")
    script = """
      const style = getComputedStyle(document.activeElement);
      return [style.outlineStyle, parseFloat(style.outlineWidth)];
    """
    for _ in range(6):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        outline, width = browser.execute_script(script)
        assert (outline, width >= 2) == ("solid", True), ada.focused


def test_every_page_fits_every_screen(ada, browser, mails):
    def assert_fits():
        for size in SIZES:
            ada.look_by(size)
            too_wide = browser.execute_script(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert too_wide <= 0, (size, ada.address)

    for page, (heading, _) in LINKS.items():
        ada.open_mail(mails.send(page, EMAIL))
        ada.sees(heading)
        assert_fits()
        ada.forget()
        ada.open(page)
        ada.reads("needs the link from a mail")
        assert_fits()
    log_in(ada)
    ada.sees("Profile")
    assert_fits()


def test_nothing_moves_for_those_who_asked_for_less_motion(ada, browser):
    def durations():
        return set(
            browser.execute_script(
                "return [...document.querySelectorAll('*')]"
                ".map((each) => getComputedStyle(each).transitionDuration)"
            )
        )

    ada.open()
    assert durations() == {"0s"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert durations() > {"0s"}
