"""What the tests of the account pages are written in: a visitor, who sees and presses things."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import EMAIL, PASSWORD
from live import serving
from post_office import PostOffice
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.support.ui import WebDriverWait

from falcon_auth.testing.mails import Mailbox

# They log all they exchange, which would bury a failure's own words.
for chatty in ("selenium", "urllib3"):
    logging.getLogger(chatty).setLevel(logging.WARNING)

PATIENCE = 20  # Seconds until something that does not appear counts as missing.
SIZES = {"phone": (320, 640), "tablet": (768, 1024), "desktop": (1280, 900)}
API = "/api/v1/auth/"
# What a page asks for when it opens: whether there is a session, and what passkeys are asked with.
OPENING = {f"{API}refresh", f"{API}passkey/options"}
# A link of each kind, the heading it opens, and the endpoint that its button posts to.
LINKS = {
    "verify": ("Confirm your address", f"{API}email/verify"),
    "reset": ("Choose a new password", f"{API}password/reset"),
    "invitation": ("Welcome", f"{API}password/reset"),
    "email": ("Confirm your new address", f"{API}email/change/confirm"),
}

# One script for each question: WebDriver's own commands, "is it displayed" above all, cost the
# browser many times as much.
READ_SHOWN = """
  return [...document.querySelectorAll(arguments[0])]
    .filter((each) => each.checkVisibility({visibilityProperty: true}))
    .map((each) => each.innerText.trim());
"""
READ_DESCRIPTION = """
  const [field] = [...document.querySelectorAll("label")]
    .filter((each) => each.checkVisibility() && each.textContent.trim() === arguments[0])
    .map((each) => each.control);
  if (field?.getAttribute("aria-invalid") !== "true") return [];
  return (field.getAttribute("aria-describedby") ?? "").split(" ")
    .map((id) => document.getElementById(id))
    .filter((each) => each?.checkVisibility())
    .map((each) => each.innerText);
"""
FIND_LABELS = """
  return [...document.querySelectorAll("label")]
    .filter((each) => each.checkVisibility() && each.textContent.trim() === arguments[0])
    .map((each) => each.control);
"""
FIND_CONTROLS = """
  const within = [...document.querySelectorAll("dialog[open]")].pop() ?? document;
  const nameOf = (each) => each.getAttribute("aria-label") ?? each.textContent.trim();
  return [...within.querySelectorAll("button, a, summary")]
    .filter((each) => each.checkVisibility() && nameOf(each) === arguments[0]);
"""

# Controls whose accessible name was checked. It is checked once for each, because the browser
# builds the accessibility tree of the whole page to answer.
_NAMED = set()


class Visitor:
    """A person with a browser at the pages of one service."""

    def __init__(self, browser, url):
        self.browser, self.url = browser, url
        self.look_by()
        browser.get_log("browser")  # What earlier tests left there.

    def look_by(self, size="desktop", scheme="light"):
        """Look at the pages on a screen of this size, in light or dark colours, without motion."""
        width, height = SIZES[size]
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, path=""):
        """Open a page below /account/ by typing its address, or following a link of a mail."""
        self._load(f"{self.url}/account/{path}")

    def open_mail(self, mail):
        """Press the button in a mail."""
        self._load(mail.link)

    def forget(self):
        """Be a new browser, as far as pages can tell."""
        self.browser.execute_script("sessionStorage.clear()")
        self.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})

    def sees(self, heading):
        """Wait until the page shows this heading of the first order."""
        self._wait(lambda: self._shown("h1")[:1] == [heading], f"no heading {heading!r}")

    def reads(self, words, where="main"):
        """Wait until these words can be read."""
        self._wait(
            lambda: any(words in each for each in self._shown(where)), f"not to read: {words!r}"
        )

    def finds(self, label):
        """Return the field with this label."""
        return self._wait(lambda: self._field(label), f"no field {label!r}")

    def types(self, label, text):
        """Replace what is in the field with this label."""
        field = self.finds(label)
        field.clear()
        field.send_keys(text)

    def presses(self, name):
        """Press the button, or follow the link, of this name."""
        self._wait(lambda: self._control(name), f"nothing to press: {name!r}").click()

    def presses_last(self, name):
        """Press the last one of this name, where a page has several: that of a form, a dialogue."""
        self._wait(lambda: self._control(name, -1), f"nothing to press: {name!r}").click()

    def text_of(self, element_id):
        """Wait until an element shows text; return it."""
        return self._wait(lambda: "".join(self._shown(f"#{element_id}")), element_id)

    def reads_at(self, label, words):
        """Wait until the field with this label is said to be wrong, in words that belong to it."""

        def is_told():
            told = self.browser.execute_script(READ_DESCRIPTION, label)
            return any(words in each for each in told)

        self._wait(is_told, f"not told at {label!r}: {words!r}")

    def is_at(self, path):
        """Wait until the address bar shows a path below /account/ and nothing more."""
        self._wait(lambda: self.address == f"{self.url}/account/{path}", f"not at {path}")

    @property
    def address(self):
        return self.browser.current_url

    @property
    def focused(self):
        """What has the focus: the text of it, or its label."""
        return self.browser.execute_script(
            "const e = document.activeElement;"
            "return e.labels?.length ? e.labels[0].textContent : e.textContent.trim();"
        )

    def complaints(self):
        """What the console has of scripts and policies; refused requests are no complaints."""
        entries = self.browser.get_log("browser")
        return [each["message"] for each in entries if each["source"] != "network"]

    def kept(self):
        """All that scripts can read and the browser keeps beyond the tab."""
        script = "return [JSON.stringify(localStorage), document.cookie]"
        return self.browser.execute_script(script)

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Without a network, while the block runs."""
        self._connect(offline=True)
        yield
        self._connect(offline=False)

    def _load(self, url):
        page, has_fragment, _ = url.partition("#")
        if has_fragment and page == self.address.partition("#")[0]:
            self.browser.get("about:blank")  # Another fragment alone would be no new page.
        self.browser.get(url)

    def _connect(self, *, offline):
        conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.browser.execute_cdp_cmd("Network.enable", {})
        self.browser.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {"offline": offline, **conditions}
        )

    def _wait(self, look, otherwise):
        unsettled = (StaleElementReferenceException, NoSuchElementException, AttributeError)
        wait = WebDriverWait(self.browser, PATIENCE, 0.05, ignored_exceptions=unsettled)
        return wait.until(lambda _: look(), otherwise)

    def _shown(self, selector):
        """The texts of the elements that can be seen."""
        return self.browser.execute_script(READ_SHOWN, selector)

    def _field(self, label):
        found = self.browser.execute_script(FIND_LABELS, label)
        return found[0] if found else None

    def _control(self, name, which=0):
        """Of a dialogue that is open, since nothing else can be pressed."""
        found = self.browser.execute_script(FIND_CONTROLS, name)
        if not found:
            return None
        place = (urlsplit(self.address).path, name, which)
        if place not in _NAMED:
            assert found[which].accessible_name == name  # As a screen reader has it.
            _NAMED.add(place)
        return found[which]


class Recorder:
    """A WSGI application that notes each request and passes it on to the service of the test."""

    def __init__(self):
        self.app, self.url, self.requests = None, None, []

    def serve(self, app):
        """Pass on to this service from now on, and forget what was noted."""
        self.app, self.requests = app, []

    def __call__(self, environ, start_response):
        noted = {name: str(value) for name, value in environ.items() if name.startswith("HTTP_")}
        noted |= {name: environ[name] for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING")}
        self.requests.append(noted)
        return self.app(environ, start_response)

    def posts(self):
        """The paths that were posted to, in order, but for what every page asks when it opens."""
        paths = [each["PATH_INFO"] for each in self.requests if each["REQUEST_METHOD"] == "POST"]
        return [path for path in paths if path not in OPENING]

    @property
    def text(self):
        """Everything but bodies."""
        return json.dumps(self.requests)


def log_in(visitor, password=PASSWORD, email=EMAIL):
    visitor.open()
    visitor.sees("Log in")
    visitor.types("E-mail address", email)
    visitor.types("Password", password)
    visitor.presses("Log in")


@pytest.fixture(scope="module")
def address(browser):
    """Where the browser finds the service of each test; its connections and files it can keep."""
    recorder = Recorder()
    with serving(recorder, threads=8) as port:
        recorder.url = f"http://localhost:{port}"
        yield recorder
        browser.get("about:blank")  # Lets go of the connections.


@pytest.fixture
def client(make_client, mail_settings, address):
    return make_client(pages=True, public_url=address.url, rate_limit_requests=3, **mail_settings)


@pytest.fixture
def mails(client, mail_settings, user):
    """What the service sends; Ada is registered."""
    folder = Path(mail_settings["mail_url"].removeprefix("file://"))
    return PostOffice(client, Mailbox(client.app.service, folder))


@pytest.fixture
def server(client, mails, address):
    """What the browser sends."""
    address.serve(client.app)
    return address


@pytest.fixture
def ada(browser, server):
    """Ada at her browser. Whatever she does, no script fails and no policy is violated."""
    visitor = Visitor(browser, server.url)
    yield visitor
    assert visitor.complaints() == []
    assert visitor.kept() == ["{}", ""]
    visitor.forget()
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
