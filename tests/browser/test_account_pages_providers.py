"""Log-in by an account elsewhere, at the account pages, in a real browser."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from account_page import ada, address, log_in, mails, server
from conftest import EMAIL
from lying_provider import Browser, entry
from provider_words import idp, knowing

__all__ = ["ada", "address", "idp", "knowing", "mails", "server"]  # Fixtures.


@pytest.fixture
def consenting(idp):
    """The provider, whose log-in page agrees and sends the browser back at once."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            back = parse_qs(urlsplit(self.path).query)["redirect_uri"][0]
            self.send_response(303)
            self.send_header("Location", f"{back}?{urlencode(idp.visit(self.path))}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as page:
        idp.metadata["authorization_endpoint"] = f"http://127.0.0.1:{page.server_port}/authorize"
        thread = Thread(target=page.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield idp
        page.shutdown()
        thread.join()


@pytest.fixture
def client(knowing, consenting, mail_settings, address):
    return knowing(entry(consenting), pages=True, public_url=address.url, **mail_settings)


def test_an_account_elsewhere_is_linked_logs_in_and_is_unlinked(ada, server):
    """The provider vouches for the address of a user who has a password here."""
    ada.open()
    ada.presses("Continue with The Provider")
    ada.reads("There is an account with that address already.", where=".message")
    ada.is_at("")  # The code of the fragment is gone.

    log_in(ada)
    ada.presses("Security")
    ada.reads("No other account is linked.")
    ada.presses("Link The Provider")
    ada.reads("The Provider is linked.", where="[role=status]")
    ada.is_at("#security")
    ada.presses("Log out")
    ada.presses("Continue with The Provider")
    ada.sees("Profile")
    ada.reads(EMAIL)
    ada.is_at("")

    ada.presses("Security")
    ada.presses("Unlink The Provider")
    ada.presses("Unlink")
    ada.reads("The Provider has been removed.", where="[role=status]")
    ada.reads("No other account is linked.")


def test_a_code_that_came_by_a_link_logs_nobody_in(ada, client, consenting):
    """Whoever sent the link would be the user, without a word to whoever opened it."""
    consenting.claims["email"] = "mallory@example.com"
    code = Browser(client).log_in(consenting)["code"]

    ada.open(f"#code={code}")

    ada.reads("The other service did not confirm who you are.", where=".message")
    ada.is_at("")
