"""Cookie mode in Chromium: who gets the cookie sent, two tabs at once, and other hosts' attempts.

Names below `example.localhost` are one site (RFC 6761 leads them to this machine, and browsers
take `Secure` cookies there); `elsewhere.localhost` is another.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from threading import Barrier

import pytest
from calling_page import Caller, page
from conftest import EMAIL, PASSWORD
from live import serving
from processes import free_port

from falcon_auth.api.refresh_cookie import NAME

AUTH = "/api/v1/auth"
PROFILE = "/api/v1/protected/profile"
BLOCKED = {"blocked": "TypeError"}
PATIENCE = 20  # Seconds that the first of two requests waits for the second.


class Meeting:
    """The service with a page of its own, which notes cookies and can let posts through by twos."""

    def __init__(self, app):
        self.app, self.cookies, self.barrier = app, [], None

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            self.cookies.append(environ.get("HTTP_COOKIE"))
            if self.barrier is not None:
                self.barrier.wait(PATIENCE)
        application = page if environ["PATH_INFO"] == "/" else self.app
        return application(environ, start_response)


@dataclass
class Site(Caller):
    """The service at `auth.`, a front end at `app.`, and pages of other hosts."""

    meeting: Meeting
    port: int  # Of the pages.

    @property
    def app(self):
        return self.host("app.example")

    def host(self, name):
        return f"http://{name}.localhost:{self.port}"

    def post(self, path, body=None, origin=None, **more):
        """Have a page, by default the front end, post to the service with cookies."""
        options = {"method": "POST", "body": body or {}, "credentials": "include", **more}
        return self.call(origin or self.app, AUTH + path, **options)

    def log_in(self):
        body = {"email": EMAIL, "password": PASSWORD, "session": "cookie"}
        return self.post("/login", body)["body"]

    def profile(self, token):
        return self.call(self.app, PROFILE, token=token)


@pytest.fixture
def site(browser, make_client):
    with ExitStack() as stack:
        pages, port = stack.enter_context(serving(page)), free_port()
        address = f"http://auth.example.localhost:{port}"
        client = make_client(
            public_url=address, cors_origins=(f"http://app.example.localhost:{pages}",)
        )
        client.register()
        meeting = Meeting(client.app)
        stack.enter_context(serving(meeting, threads=4, port=port))
        yield Site(browser, address, meeting, pages)
        browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
        browser.get("about:blank")  # Lets go of the connections.


def kept(browser):
    """The cookies that the browser keeps, by what a script cannot see either."""
    return browser.execute_cdp_cmd("Network.getAllCookies", {})["cookies"]


def test_a_front_end_of_the_same_site_keeps_its_session_through_a_reload(site, browser):
    tokens = site.log_in()
    browser.refresh()
    refreshed = site.post("/refresh")
    in_front_end = browser.execute_script("return document.cookie")
    own_page = site.post("/refresh", origin=site.service)
    at_service = browser.execute_script("return document.cookie")

    assert "refresh_token" not in tokens
    assert (refreshed["status"], own_page["status"]) == (200, 200)
    assert site.profile(refreshed["body"]["access_token"])["body"]["email"] == EMAIL
    assert in_front_end == at_service == ""
    (cookie,) = kept(browser)
    assert (cookie["name"], cookie["domain"]) == (NAME, "auth.example.localhost")
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")


def test_two_tabs_that_refresh_at_once_go_on_with_one_session(site, browser, logged):
    """Both requests are under way with the same cookie before either is answered."""
    tokens = site.log_in()
    start = "window.answer = call(arguments[0], arguments[1], arguments[2]); return 0"
    options = {"method": "POST", "body": {}, "credentials": "include"}
    with site.another_tab() as tabs:
        site.visit(site.app)
        site.meeting.barrier = Barrier(2)
        for tab in tabs:
            browser.switch_to.window(tab)
            browser.execute_script(start, site.service, f"{AUTH}/refresh", options)
        answers = []
        for tab in tabs:
            browser.switch_to.window(tab)
            answers.append(browser.execute_async_script("answer.then(arguments[0])"))
        site.meeting.barrier = None
        later = site.post("/refresh")

    assert site.meeting.cookies[1] == site.meeting.cookies[2] is not None
    assert [answer["status"] for answer in answers] == [200, 200]
    assert later["status"] == 200
    for each in (tokens, answers[0]["body"], answers[1]["body"], later["body"]):
        assert site.profile(each["access_token"])["status"] == 200
    assert logged.events("refresh_token_reused") == []


def test_a_log_out_in_one_tab_is_one_in_the_other(site):
    token = site.log_in()["access_token"]

    with site.another_tab():
        logged_out = site.post("/logout")

    assert logged_out["status"] == 204
    assert site.profile(token)["body"]["code"] == "TOKEN_REVOKED"
    assert site.post("/refresh")["body"]["code"] == "MISSING_TOKEN"
    assert kept(site.browser) == []


def test_a_page_of_another_site_gets_no_cookie_sent(site):
    token = site.log_in()["access_token"]
    elsewhere = site.host("elsewhere")
    before = len(site.meeting.cookies)

    asked = site.post("/logout", origin=elsewhere)
    unasked = site.post("/logout", "{}", elsewhere, mode="no-cors", headers={})

    assert asked == BLOCKED
    assert (unasked["type"], unasked["status"]) == ("opaque", 0)
    assert site.meeting.cookies[before:] == [None]  # The first was not even sent.
    assert site.profile(token)["status"] == 200


def test_another_host_of_the_site_cannot_use_the_cookie(site, logged):
    """It gets the cookie sent; what it sends is refused all the same."""
    token = site.log_in()["access_token"]
    evil = site.host("evil.example")
    before = len(site.meeting.cookies)

    asked = site.post("/logout", origin=evil)
    unasked = site.post("/logout", "{}", evil, mode="no-cors", headers={})

    assert asked == BLOCKED
    assert unasked["type"] == "opaque"
    (sent,) = site.meeting.cookies[before:]
    assert NAME in sent
    assert [line["status"] for line in logged.events("request")][-1] == 415
    assert site.profile(token)["status"] == 200


def test_another_host_of_the_site_cannot_plant_its_own_session(site, browser):
    """The planted cookie stands first, having the longer path: Ada would go on as Eve."""
    site.log_in()
    eve = {"email": "eve@example.com", "password": PASSWORD}
    eves = site.post("/register", eve, credentials="omit")["body"]["refresh_token"]
    site.visit(site.host("evil.example"))
    everywhere = f"Domain=example.localhost; Path={AUTH}/refresh; Secure"
    plant = "document.cookie = arguments[0]"

    browser.execute_script(plant, f"{NAME}={eves}; {everywhere}")
    with_both = site.post("/refresh")
    both = site.meeting.cookies[-1]
    site.visit(site.host("evil.example"))
    browser.execute_script(plant, f"{NAME}=; Max-Age=0; {everywhere}")
    with_own = site.post("/refresh")

    assert both.startswith(f"{NAME}={eves}; {NAME}=")
    assert with_both["body"]["code"] == "TOKEN_INVALID"
    assert with_own["body"]["user"]["email"] == EMAIL
