"""The front end's examples of docs/factors.md in Chromium, with its virtual authenticator."""

import re
from itertools import count
from pathlib import Path

import pytest
from calling_page import page as empty_page
from conftest import PASSWORD
from live import serving
from processes import free_port
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from falcon_auth.service import create_app
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.testing.service import START, settings_of

DOCS = Path(__file__).parents[2] / "docs" / "factors.md"
numbers = count(1)


def examples():
    return "\n".join(re.findall(r"```js\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL))


@pytest.fixture(scope="module")
def origin(browser):
    """The service at http://localhost, with an empty page of its origin."""
    port = free_port()
    url = f"http://localhost:{port}"
    settings = settings_of({"public_url": url, "environment": "testing"})
    app = create_app(settings, clock=lambda: START, store=MemoryStore())

    def with_page(environ, start_response):
        application = empty_page if environ["PATH_INFO"] == "/" else app
        return application(environ, start_response)

    with serving(with_page, threads=8, port=port):
        yield url
        browser.get("about:blank")  # Lets go of the connections.
    app.service.close()


@pytest.fixture
def email():
    """A user of each test's own."""
    return f"user{next(numbers)}@example.com"


@pytest.fixture
def page(browser, origin, email):
    """Run a script beside the examples, in a page of the service; `account` is the user's."""
    options = VirtualAuthenticatorOptions(
        protocol="ctap2",
        transport="internal",
        has_resident_key=True,
        has_user_verification=True,
        is_user_verified=True,
    )
    browser.get(f"{origin}/")
    browser.add_virtual_authenticator(options)

    def run(script):
        """Return what the script returns, or the code or name of what it throws."""
        return browser.execute_async_script(
            f"""{examples()}
            const done = arguments[arguments.length - 1];
            const account = {{email: "{email}", password: "{PASSWORD}"}};
            (async () => {{ {script} }})().then(done, (e) => done({{failed: e.code || String(e)}}));
            """
        )

    yield run
    browser.remove_virtual_authenticator()


def test_a_passkey_is_made_logs_in_alone_is_a_second_factor_and_confirms(page):
    made = page(
        """
        const ada = await post("register", account);
        window.added = await addPasskey(ada.access_token, "Laptop");
        const alone = await logInByPasskey();
        const both = await logIn(account.email, account.password);
        const confirmed = await confirmByPasskey(both.access_token);
        const plain = (text) => text.replace(/-/g, "+").replace(/_/g, "/");
        const claims = (token) => JSON.parse(atob(plain(token.split(".")[1]))).amr;
        return {
          kind: window.added.kind, codes: window.added.recovery_codes.length,
          alone: claims(alone.access_token), both: claims(both.access_token),
          confirmed: claims(confirmed.access_token),
        };
        """
    )

    assert made == {
        "kind": "passkey",
        "codes": 10,
        "alone": ["hwk", "mfa"],
        "both": ["pwd", "hwk", "mfa"],
        "confirmed": ["pwd", "hwk", "mfa"],
    }


def test_a_device_that_has_a_passkey_of_the_user_makes_no_other(page):
    answer = page(
        """
        const ada = await post("register", account);
        await addPasskey(ada.access_token, "Laptop");
        try { await addPasskey(ada.access_token, "Again"); } catch (e) { return e.name; }
        """
    )

    assert answer == "InvalidStateError"


def test_a_recovery_code_finishes_a_log_in_where_the_app_is_lost(page, email):
    answer = page(
        """
        const ada = await post("register", account);
        const {recovery_codes} = await addPasskey(ada.access_token, "Laptop");
        let challenge;
        try { await post("login", account); }
        catch (problem) { challenge = problem.challenge; }
        const tokens = await post("login/factor", {challenge, code: recovery_codes[0]});
        return tokens.user.email;
        """
    )

    assert answer == email
