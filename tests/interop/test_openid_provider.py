"""Log-in by a provider that others wrote, the npm package oidc-provider, over HTTP."""

import json
import re
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.error import HTTPError
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, build_opener

import pytest
from other_provider import SECRET, address, apple_key, provider, service, start
from processes import PATIENCE
from third_parties import node_tools

__all__ = ["address", "apple_key", "node_tools", "provider", "service"]  # Fixtures.

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("service"),
]


class Form(HTMLParser):
    """A page's form: where it goes, if it says so, and the values that it has already."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields = "", {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "form":
            self.action = found.get("action", "")
        if tag == "input" and "name" in found:
            self.fields[found["name"]] = found.get("value", "")


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, but stops before the one that *stops* is found in."""

    stops = None

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if self.stops and self.stops in newurl:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Surfer:
    """A person with an HTTP client that keeps cookies and follows redirects."""

    def __init__(self):
        policy = DefaultCookiePolicy(secure_protocols=("http", "https"))  # Browsers: on localhost.
        self.redirects = _Redirects()
        self._opener = build_opener(HTTPCookieProcessor(CookieJar(policy)), self.redirects)

    def open(self, url, form=None):
        """Return the address that a URL leads to, and the page that is there."""
        data = None if form is None else urlencode(form).encode()
        try:
            with self._opener.open(url, data, timeout=PATIENCE) as answer:
                return answer.url, answer.read().decode()
        except HTTPError as error:
            with error:
                location = error.headers.get("Location")
                return urljoin(url, location or url), error.read().decode()

    def log_in(self, url, login="ada", stops=None):
        """Go to the provider by *url*, log in and agree; return the address at the end."""
        self.redirects.stops = stops
        at, page = self.open(url)
        for _ in range(3):
            form = Form(page)
            if not form.action:
                break
            typed = {"login": login, "password": "anything"} if "login" in form.fields else {}
            at, page = self.open(urljoin(at, form.action), form.fields | typed)
        return at


@pytest.fixture
def surfer():
    return Surfer()


def found_in(url):
    return dict(parse_qsl(urlsplit(url).fragment))


def exchange(service, found):
    body = {"code": found["code"]}
    return service.client.simulate_post("/api/v1/auth/providers/exchange", json=body)


def test_a_user_of_the_provider_logs_in(service, address, surfer):
    ended = surfer.log_in(start(address))

    tokens = exchange(service, found_in(ended))

    assert ended.startswith(f"{address}/account/#code=")
    assert tokens.status_code == 200
    assert tokens.json["user"]["email"] == "ada@example.com"
    assert tokens.json["user"]["email_verified"]


def test_an_address_that_the_provider_has_not_verified_makes_no_user(address, surfer):
    ended = surfer.log_in(start(address), "eve")

    assert found_in(ended) == {"error": "PROVIDER_EMAIL_UNVERIFIED"}


def test_a_user_who_does_not_agree_is_told(address, surfer):
    _, page = surfer.open(start(address))
    abort = re.search(r'href="([^"]+/abort)"', page)[1]

    ended, _ = surfer.open(abort)

    assert found_in(ended) == {"error": "PROVIDER_REFUSED"}


def test_the_provider_holds_the_service_to_pkce(service, address, surfer, provider):
    """A code that was stolen on the way back is nothing without the verifier."""
    stolen = surfer.log_in(start(address), stops="/callback")
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": f"{start(address).removesuffix('login')}callback",
        "client_id": "falcon",
        "client_secret": SECRET,
    }

    for guess in ({}, {"code_verifier": "x" * 43}):
        _, said = surfer.open(f"{provider.url}/token", form | guess)
        assert json.loads(said)["error"] == "invalid_grant"


def test_the_code_of_one_attempt_is_refused_in_another(address, surfer):
    first = surfer.log_in(start(address), stops="/callback")
    second = surfer.log_in(start(address), stops="/callback")
    surfer.redirects.stops = None
    code = parse_qs(urlsplit(first).query)["code"][0]
    answer = parse_qs(urlsplit(second).query) | {"code": code}

    ended, _ = surfer.open(f"{second.partition('?')[0]}?{urlencode(answer, doseq=True)}")

    assert found_in(ended) == {"error": "PROVIDER_REFUSED"}


def test_a_key_that_the_provider_has_changed_is_found(service, address, surfer, provider):
    assert "code" in found_in(surfer.log_in(start(address)))

    provider.rotate()

    assert "code" in found_in(Surfer().log_in(start(address)))


def test_apples_way_by_a_form_and_a_secret_that_is_a_token(service, address, surfer):
    """The provider of others verifies the token, and has the browser send the form."""
    ended = surfer.log_in(start(address, "apple"), "grace")

    tokens = exchange(service, found_in(ended))

    assert tokens.json["user"]["email"] == "grace@example.com"
