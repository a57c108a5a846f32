"""CORS as a browser enforces it: a page of a listed origin works, one of another cannot."""

import json
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from calling_page import PAGE, Caller, page
from conftest import EMAIL, PASSWORD
from live import serving

LOGIN = "/api/v1/auth/login"
PROFILE = "/api/v1/protected/profile"

# The page's call from a frame without an origin, which sends `Origin: null`.
FRAME = """
const frame = document.createElement("iframe");
const [source, base, path, done] = arguments;
addEventListener("message", (event) => done([event.origin, event.data]), {once: true});
frame.sandbox = "allow-scripts";
frame.srcdoc = source + `<script>
  call("${base}", "${path}").then((answer) => parent.postMessage(answer, "*"));
<` + "/script>";
document.body.append(frame);
"""


@dataclass
class Pages(Caller):
    """The service, and a page that is served from other ports and names."""

    listed: str
    others: tuple[str, ...]


@pytest.fixture
def pages(browser, make_client):
    with ExitStack() as stack:
        port, other_port = (stack.enter_context(serving(page)) for _ in range(2))
        listed = f"http://127.0.0.1:{port}"
        client = make_client(cors_origins=(listed,), rate_limit_requests=2)
        service = stack.enter_context(serving(client.app))
        others = (
            f"http://127.0.0.1:{other_port}",  # Another port is another origin,
            f"http://localhost:{port}",  # and so is another name of the same place.
        )
        yield Pages(browser, f"http://127.0.0.1:{service}", listed, others)
        browser.get("about:blank")  # Lets go of the connections.


def test_a_page_of_a_listed_origin_logs_in_and_reads_the_profile(pages):
    credentials = {"email": EMAIL, "password": PASSWORD}

    registration = pages.call(
        pages.listed, "/api/v1/auth/register", method="POST", body=credentials
    )
    tokens = pages.call(pages.listed, LOGIN, method="POST", body=credentials)
    profile = pages.call(pages.listed, PROFILE, token=tokens["body"]["access_token"])

    assert (registration["status"], tokens["status"], profile["status"]) == (201, 200, 200)
    assert profile["body"]["email"] == EMAIL
    assert profile["headers"]["x-request-id"]


def test_a_page_of_a_listed_origin_can_read_why_it_was_refused(pages):
    def guess():
        body = {"email": EMAIL, "password": "a wrong guess"}
        return pages.call(pages.listed, LOGIN, method="POST", body=body)

    wrong, _, limited = guess(), guess(), guess()
    missing = pages.call(pages.listed, PROFILE)
    nowhere = pages.call(pages.listed, "/nowhere")

    assert (wrong["status"], wrong["body"]["code"]) == (401, "INVALID_CREDENTIALS")
    assert (limited["status"], limited["body"]["code"]) == (429, "RATE_LIMITED")
    assert int(limited["headers"]["retry-after"]) > 0
    assert (missing["status"], missing["body"]["code"]) == (401, "MISSING_TOKEN")
    assert missing["headers"]["www-authenticate"].startswith("Bearer")
    assert (nowhere["status"], nowhere["body"]["code"]) == (404, "NOT_FOUND")


def test_a_page_of_a_listed_origin_can_change_and_end_things(pages):
    """PUT and DELETE are asked about first, and pass."""
    body = {"email": EMAIL, "password": PASSWORD}
    tokens = pages.call(pages.listed, "/api/v1/auth/register", method="POST", body=body)["body"]
    token = tokens["access_token"]
    change = {"current_password": PASSWORD, "new_password": "another horse battery"}

    changed = pages.call(
        pages.listed, "/api/v1/auth/password", method="PUT", token=token, body=change
    )
    ended = pages.call(pages.listed, "/api/v1/auth/sessions", method="DELETE", token=token)

    assert (changed["status"], ended["status"]) == (204, 204)
    assert pages.call(pages.listed, PROFILE, token=token)["body"]["code"] == "TOKEN_REVOKED"


def test_a_page_of_another_origin_reads_and_does_nothing(pages, logged):
    blocked = {"blocked": "TypeError"}
    credentials = {"email": EMAIL, "password": PASSWORD}
    registration = pages.call(
        pages.listed, "/api/v1/auth/register", method="POST", body=credentials
    )
    token = registration["body"]["access_token"]

    for origin in pages.others:
        assert pages.call(origin, "/health") == blocked
        assert pages.call(origin, PROFILE, token=token) == blocked
        assert pages.call(origin, LOGIN, method="POST", body=credentials) == blocked
        simple = pages.call(
            origin, LOGIN, method="POST", mode="no-cors", body=json.dumps(credentials)
        )
        assert (simple["type"], simple["body"]) == ("opaque", None)

    assert logged.events("login_succeeded") == []
    # What needed no leave was sent as plain text, and refused unread.
    sent = [line for line in logged.events("request") if line["method"] == "POST"]
    assert [line["status"] for line in sent] == [201, 415, 415]


def test_a_page_without_an_origin_reads_nothing(pages):
    """Sandboxed frames, files and some redirects send `Origin: null`."""
    pages.call(pages.listed, "/health")

    source, answer = pages.browser.execute_async_script(FRAME, PAGE, pages.service, "/health")

    assert source == "null"
    assert answer == {"blocked": "TypeError"}


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X-Evil": "1"}},
        {"method": "DELETE"},
    ],
)
def test_even_a_listed_origin_gets_no_more_than_is_listed(pages, options):
    assert pages.call(pages.listed, "/health", **options) == {"blocked": "TypeError"}
