"""The documentation page in a real browser: every step that a person would take with it."""

import json
import logging
from threading import Thread

import pytest
from conftest import EMAIL, PASSWORD
from selenium.webdriver.support.ui import WebDriverWait

from falcon_auth.server import Server

PATIENCE = 20  # Seconds until something that does not appear counts as missing.
THREADS = 8  # A browser opens six connections.
WIDTHS = {"desktop": (1280, 1000), "phone": (390, 844)}

# They log all they exchange, which would bury a failure's own words.
for chatty in ("selenium", "urllib3"):
    logging.getLogger(chatty).setLevel(logging.WARNING)


@pytest.fixture
def url(client):
    server = Server(client.app, host="127.0.0.1", port=0, threads=THREADS)
    thread = Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()
    thread.join()


@pytest.fixture
def open_page(browser, url):
    """Open the page, on a desktop."""
    yield lambda: Page(browser, url)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get("about:blank")  # The next test's page must not ask this one's server.


# WebDriver's own command for "is it displayed" costs the browser many times as much.
FIND_SHOWN = """
  const [selector, within] = arguments;
  return [...(within ?? document).querySelectorAll(selector)]
    .find((each) => each.checkVisibility({visibilityProperty: true}));
"""


class Page:
    """The page in a browser."""

    def __init__(self, browser, url):
        self.browser = browser
        self.look_by("desktop")
        browser.get_log("browser")  # What earlier tests left there.
        browser.get(f"{url}/docs")
        self.find(".opblock")

    def look_by(self, kind):
        """Look at the page on a screen of this kind."""
        width, height = WIDTHS[kind]
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )

    def find(self, selector, within=None):
        """Wait for an element that can be seen, and return it."""

        def look(browser):
            return browser.execute_script(FIND_SHOWN, selector, within)

        return WebDriverWait(self.browser, PATIENCE, 0.1).until(look, f"no {selector}")

    def click(self, element):
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, element, text):
        """Enter a text as one piece: the page draws itself anew after each key."""
        self.click(element)
        self.browser.execute_cdp_cmd("Input.insertText", {"text": text})

    def try_out(self, operation, body=None):
        """Open an operation, send it, and return the status and the body of the answer."""
        block = self.find(f"[id$='-{operation}']")
        self.click(self.find(".opblock-summary-control", block))
        self.click(self.find(".try-out__btn", block))
        if body is not None:
            text = self.find("textarea.body-param__text", block)
            text.clear()
            self.type(text, json.dumps(body))
        self.click(self.find(".execute", block))
        answer = self.find(".live-responses-table .response", block)
        status = self.find(".response-col_status", answer).text.split()[0]
        shown = self.find(".response-col_description .highlight-code code", answer)
        content = self.browser.execute_script("return arguments[0].textContent", shown)
        self.click(self.find(".opblock-summary-control", block))
        return int(status), json.loads(content)

    def open_authorisation(self):
        """Open the dialogue; whoever does has a token to paste, so the cursor is in its field."""
        self.click(self.find(".auth-wrapper .authorize"))
        dialog = self.find(".dialog-ux")
        assert self.browser.switch_to.active_element == self.find("input", dialog)
        return dialog

    def authorise(self, token):
        dialog = self.open_authorisation()
        self.type(self.find("input", dialog), token)
        self.click(self.find(".auth-btn-wrapper .authorize", dialog))
        self.click(self.find(".btn-done", dialog))

    def complaints(self):
        """What the console has of scripts and policies; refused requests are no complaints."""
        entries = self.browser.get_log("browser")
        return [each["message"] for each in entries if each["source"] != "network"]

    def requested(self):
        """Return the URLs of everything that the page asked for."""
        script = "return performance.getEntriesByType('resource').map((each) => each.name)"
        return set(self.browser.execute_script(script))


def test_a_person_is_refused_registers_logs_in_authorises_and_reads_the_profile(open_page):
    page = open_page()
    account = {"email": EMAIL, "password": PASSWORD}

    refused, problem = page.try_out("listSessions")
    registered, _ = page.try_out("register", account)
    logged_in, tokens = page.try_out("login", account)
    page.click(page.find(".btn-done", page.open_authorisation()))  # It can be opened again.
    page.authorise(tokens["access_token"])
    shown, profile = page.try_out("getProfile")

    assert (refused, problem["code"]) == (401, "MISSING_TOKEN")
    assert (registered, logged_in, shown) == (201, 200, 200)
    assert profile["email"] == EMAIL
    assert page.complaints() == []  # A violation of the content security policy would be one.


def test_the_page_fits_every_screen_and_loads_nothing_from_other_hosts(open_page, url):
    page = open_page()
    page.click(page.find("[id$='-register'] .opblock-summary-control"))
    page.find("[id$='-register'] .responses-table")

    for kind, (room, _) in WIDTHS.items():
        page.look_by(kind)
        width = page.browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= room, kind
    assert page.browser.get_log("browser") == []
    requested = page.requested()
    assert f"{url}/openapi.json" in requested
    assert {each for each in requested if not each.startswith((url, "data:"))} == set()
