"""The documentation page in a real browser: every step that a person would take with it."""

import json
import logging
from threading import Thread

import pytest
from conftest import EMAIL, PASSWORD
from selenium.webdriver.common.by import By
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
    """Open the page in a window of a given kind."""
    yield lambda kind="desktop": Page(browser, url, WIDTHS[kind])
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get("about:blank")  # The next test's page must not ask this one's server.


class Page:
    """The page in a browser."""

    def __init__(self, browser, url, size):
        self.browser = browser
        width, height = size
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        browser.get_log("browser")  # What earlier tests left there.
        browser.get(f"{url}/docs")
        self.find(".opblock")

    def find(self, selector, within=None):
        """Wait for an element that can be seen, and return it."""

        def look(browser):
            found = (within or browser).find_elements(By.CSS_SELECTOR, selector)
            return next((each for each in found if each.is_displayed()), None)

        return WebDriverWait(self.browser, PATIENCE).until(look, f"no {selector}")

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

    def authorise(self, token):
        self.click(self.find(".auth-wrapper .authorize"))
        dialog = self.find(".dialog-ux")
        self.type(self.find("input", dialog), token)
        self.click(self.find(".auth-btn-wrapper .authorize", dialog))
        self.click(self.find(".btn-done", dialog))

    def complaints(self):
        return [line["message"] for line in self.browser.get_log("browser")]

    def requested(self):
        """Return the URLs of everything that the page asked for."""
        script = "return performance.getEntriesByType('resource').map((each) => each.name)"
        return set(self.browser.execute_script(script))


def test_a_person_registers_logs_in_authorises_and_reads_the_profile(open_page):
    page = open_page()
    account = {"email": EMAIL, "password": PASSWORD}

    registered, _ = page.try_out("register", account)
    logged_in, tokens = page.try_out("login", account)
    page.authorise(tokens["access_token"])
    shown, profile = page.try_out("getProfile")

    assert (registered, logged_in, shown) == (201, 200, 200)
    assert profile["email"] == EMAIL
    assert page.complaints() == []  # A violation of the content security policy would be one.


def test_authorize_puts_the_cursor_into_the_first_field_each_time(open_page):
    """Whoever clicks it has a token to paste."""
    page = open_page()
    for _ in range(2):
        page.click(page.find(".auth-wrapper .authorize"))
        dialog = page.find(".dialog-ux")

        assert page.browser.switch_to.active_element == page.find("input", dialog)
        page.click(page.find(".btn-done", dialog))


def test_an_operation_without_a_token_shows_the_problem(open_page):
    status, problem = open_page().try_out("getProfile")

    assert (status, problem["code"]) == (401, "MISSING_TOKEN")


@pytest.mark.parametrize("kind", sorted(WIDTHS))
def test_the_page_fits_and_loads_nothing_from_other_hosts(open_page, url, kind):
    page = open_page(kind)
    page.click(page.find("[id$='-register'] .opblock-summary-control"))
    page.find("[id$='-register'] .responses-table")

    width = page.browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= WIDTHS[kind][0]
    assert page.complaints() == []
    requested = page.requested()
    assert f"{url}/openapi.json" in requested
    assert {each for each in requested if not each.startswith((url, "data:"))} == set()
