"""`examples/browser` in Chromium, served as its README says, from another origin."""

import shutil
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import pytest
from conftest import EMAIL, PASSWORD
from live import serving
from processes import ROOT, eventually
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By

from falcon_auth.testing.service import TestService

EXAMPLE = ROOT / "examples" / "browser"
REFRESH = "/api/v1/auth/refresh"


class Counting:
    """A WSGI application that counts refreshes, and notices two at once."""

    def __init__(self, app):
        self.app, self.refreshes, self.overlaps = app, 0, 0
        self._busy = Lock()

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] != REFRESH:
            return self.app(environ, start_response)
        if not self._busy.acquire(blocking=False):
            self.overlaps += 1
            return self.app(environ, start_response)
        with ExitStack() as stack:
            stack.callback(self._busy.release)
            self.refreshes += 1
            return self.app(environ, start_response)


class Quiet(SimpleHTTPRequestHandler):
    """What `python -m http.server` serves with, without its lines on standard error."""

    def log_message(self, *_arguments):
        pass


class Visitor:
    """A person with a browser and two tabs."""

    def __init__(self, browser, url):
        self.browser, self.url = browser, url
        self.tabs = [browser.current_window_handle]

    def open(self):
        self.browser.get(self.url)

    def open_tab(self):
        self.browser.switch_to.new_window("tab")
        self.tabs.append(self.browser.current_window_handle)
        self.open()

    def go_to(self, number):
        self.browser.switch_to.window(self.tabs[number])

    def sees(self, words):
        def is_there():
            try:
                return words in self.browser.find_element(By.TAG_NAME, "main").text
            except StaleElementReferenceException:
                return False

        assert eventually(is_there), self.browser.find_element(By.TAG_NAME, "main").text

    def types(self, name, text):
        field = self.browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)

    def presses(self, name):
        (button,) = [
            each
            for each in self.browser.find_elements(By.TAG_NAME, "button")
            if each.is_displayed() and each.text == name
        ]
        button.click()

    def logs_in(self, password=PASSWORD):
        self.sees("E-mail address")
        self.types("email", EMAIL)
        self.types("password", password)
        self.presses("Log in")


@pytest.fixture
def folder(tmp_path):
    """A copy of the example."""
    return shutil.copytree(EXAMPLE, tmp_path / "example")


@pytest.fixture
def front_end(folder):
    """The address of the copy, served as the README says."""
    handler = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def service(front_end, clock):
    with TestService({"cors_origins": (front_end,), "rate_limit_enabled": False}, clock) as service:
        service.ada = service.new_user(EMAIL)
        yield service


@pytest.fixture
def requests(service, folder):
    """The service as the front end reaches it."""
    counting = Counting(service.app)
    with serving(counting, threads=4) as port:
        index = folder / "index.html"
        index.write_text(index.read_text().replace("localhost:8000", f"localhost:{port}"))
        yield counting


@pytest.fixture
def ada(browser, front_end, requests):
    visitor = Visitor(browser, front_end)
    yield visitor
    for tab in visitor.tabs[1:]:
        browser.switch_to.window(tab)
        browser.close()
    visitor.go_to(0)
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.get("about:blank")


def test_a_session_is_one_for_all_tabs_from_log_in_to_log_out(ada, service):
    ada.open()
    ada.logs_in(password="a wrong password")
    ada.sees("incorrect")
    ada.logs_in()
    ada.sees(f"Hello, {EMAIL}")
    ada.open()  # A reload: the access token is gone, the cookie is not.
    ada.sees(f"Hello, {EMAIL}")
    ada.open_tab()
    ada.sees(f"Hello, {EMAIL}")
    kept = ada.browser.execute_script(
        "return [document.cookie, localStorage.length, sessionStorage.length]"
    )

    ada.presses("Log out")
    ada.sees("E-mail address")
    ada.go_to(0)

    ada.sees("E-mail address")
    first = service.client.simulate_get("/api/v1/auth/sessions", headers=service.ada.headers)
    assert kept == ["", 0, 0]
    assert [each["current"] for each in first.json["sessions"]] == [True]  # Of her registration.


def test_tabs_that_wake_up_together_refresh_one_at_a_time(ada, requests, clock, logged):
    ada.open()
    ada.logs_in()
    ada.sees(f"Hello, {EMAIL}")
    for _ in range(2):
        ada.open_tab()
        ada.sees(f"Hello, {EMAIL}")
    before = requests.refreshes
    clock.advance(minutes=16)  # What the pages do not notice, as after a sleep.

    for tab in range(3):
        ada.go_to(tab)
        ada.presses("Show my sessions")
    for tab in range(3):
        ada.go_to(tab)
        ada.sees("(this browser)")

    assert before < requests.refreshes <= before + 3
    assert requests.overlaps == 0
    assert logged.events("refresh_token_reused") == []


def test_a_session_that_was_ended_elsewhere_shows_the_form(ada, service):
    ada.open()
    ada.logs_in()
    ada.sees(f"Hello, {EMAIL}")

    service.client.simulate_delete("/api/v1/auth/sessions", headers=service.ada.headers)
    ada.presses("Show my sessions")

    ada.sees("E-mail address")


def test_a_second_factor_is_asked_for(ada, service, clock):
    app = service.add_app(service.ada)
    clock.advance(seconds=30)

    ada.open()
    ada.logs_in()
    ada.sees("Code of your app")
    ada.types("code", "000000" if app.code() != "000000" else "111111")
    ada.presses("Log in")
    ada.sees("try again")
    ada.types("code", app.code())
    ada.presses("Log in")

    ada.sees(f"Hello, {EMAIL}")
