"""The front end's examples of docs/factors.md in Chromium, with its virtual authenticator."""

import re
from pathlib import Path
from threading import Thread

import pytest
from conftest import EMAIL, PASSWORD
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from falcon_auth.server import Server
from falcon_auth.service import create_app
from falcon_auth.stores.memory.store import MemoryStore
from falcon_auth.testing.service import START, settings_of

DOCS = Path(__file__).parents[2] / "docs" / "factors.md"


def examples():
    return "\n".join(re.findall(r"```js\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL))


@pytest.fixture
def page(browser):
    """Run a script beside the examples, in a page of the service at http://localhost."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = settings_of({"public_url": f"http://localhost:{port}", "environment": "testing"})
    app = create_app(settings, clock=lambda: START, store=MemoryStore())
    server = Server(app, host="127.0.0.1", port=port, threads=8)
    thread = Thread(target=server.run)
    thread.start()
    options = VirtualAuthenticatorOptions(
        protocol="ctap2",
        transport="internal",
        has_resident_key=True,
        has_user_verification=True,
        is_user_verified=True,
    )
    browser.get(f"http://localhost:{port}/docs")
    browser.add_virtual_authenticator(options)

    def run(script):
        """Return what the script returns, or the code or name of what it throws."""
        return browser.execute_async_script(
            f"""{examples()}
            const done = arguments[arguments.length - 1];
            (async () => {{ {script} }})().then(done, (e) => done({{failed: e.code || String(e)}}));
            """
        )

    yield run
    browser.remove_virtual_authenticator()
    browser.get("about:blank")
    server.stop()
    thread.join()
    app.service.close()


CREDENTIALS = f'"{EMAIL}", "{PASSWORD}"'


def test_a_passkey_is_made_logs_in_alone_is_a_second_factor_and_confirms(page):
    made = page(
        f"""
        const ada = await post("register", {{email: "{EMAIL}", password: "{PASSWORD}"}});
        window.added = await addPasskey(ada.access_token, "Laptop");
        const alone = await logInByPasskey();
        const both = await logIn({CREDENTIALS});
        const confirmed = await confirmByPasskey(both.access_token);
        const plain = (text) => text.replace(/-/g, "+").replace(/_/g, "/");
        const claims = (token) => JSON.parse(atob(plain(token.split(".")[1]))).amr;
        return {{
          kind: window.added.kind, codes: window.added.recovery_codes.length,
          alone: claims(alone.access_token), both: claims(both.access_token),
          confirmed: claims(confirmed.access_token),
        }};
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
        f"""
        const ada = await post("register", {{email: "{EMAIL}", password: "{PASSWORD}"}});
        await addPasskey(ada.access_token, "Laptop");
        try {{ await addPasskey(ada.access_token, "Again"); }} catch (e) {{ return e.name; }}
        """
    )

    assert answer == "InvalidStateError"


def test_a_recovery_code_finishes_a_log_in_where_the_app_is_lost(page):
    answer = page(
        f"""
        const ada = await post("register", {{email: "{EMAIL}", password: "{PASSWORD}"}});
        const {{recovery_codes}} = await addPasskey(ada.access_token, "Laptop");
        let challenge;
        try {{ await post("login", {{email: "{EMAIL}", password: "{PASSWORD}"}}); }}
        catch (problem) {{ challenge = problem.challenge; }}
        const tokens = await post("login/factor", {{challenge, code: recovery_codes[0]}});
        return tokens.user.email;
        """
    )

    assert answer == EMAIL
