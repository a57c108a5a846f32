"""The account pages as files: when they are there, how they are served, what they may not hold."""

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

import falcon
import pytest
from conftest import outcome, settings_for
from falcon import testing

import falcon_auth.pages
from falcon_auth.errors import CATALOGUE
from falcon_auth.pages.look import DEFAULT_NAME, Look
from falcon_auth.pages.site import PAGES, POLICY, Offer, pages

PATHS = sorted(PAGES)
MAX_BYTES = 60 * 1024  # Of a page with all it loads, without compression; browsers take gzip.
FILES = "/account/files/"
FOLDER = Path(falcon_auth.pages.__file__).with_name("files")
VOID = {
    "meta",
    "link",
    "input",
    "rect",
    "path",
    "img",
}  # Elements without an end, or without content.


@pytest.fixture
def mail(tmp_path):
    """Settings that turn mail on."""
    return {"mail_url": f"file://{tmp_path}", "mail_from": "auth@example.com"}


@pytest.fixture
def client(make_client, mail):
    return make_client(pages=True, **mail)


def html_of(offer, look=None):
    """The account page of a service with these capabilities."""
    app = falcon.App()
    app.add_route("/account/", pages(offer, look or Look())["/account/"])
    return testing.TestClient(app).simulate_get("/account/").text


def loaded_by(client, path, *, later=True):
    """The files that a page and its modules name; those that are imported *later* too."""
    html = client.simulate_get(path).text
    names = set(re.findall(r'(?:href|src)="files/([\w.]+)[#"]', html))
    imports = (
        r'(?:from|import|import\() ?"\./([\w.]+)"' if later else r'(?:from|import) "\./([\w.]+)"'
    )
    while True:
        scripts = [name for name in names if name.endswith(".js")]
        texts = [client.simulate_get(FILES + name).text for name in scripts]
        more = {name for text in texts for name in re.findall(imports, text)}
        if more <= names:
            return names
        names |= more


class Elements(HTMLParser):
    """The elements of a page, each with its attributes; and whether all are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.found, self.open = [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def all(self, *tags):
        return [attributes for tag, attributes in self.found if tag in tags]


# --- When they are there


@pytest.mark.parametrize("path", ["/account", *PATHS, f"{FILES}account.css"])
def test_pages_that_are_off_are_404_and_not_in_the_document(make_client, path):
    client = make_client(pages=False)

    assert outcome(client.simulate_get(path)) == (404, "NOT_FOUND")
    assert not [
        each for each in client.simulate_get("/openapi.json").json["paths"] if each.startswith(path)
    ]


def test_pages_that_are_on_are_in_the_document(client):
    assert client.simulate_get("/openapi.json").json["paths"].keys() >= {*PATHS, "/account"}


@pytest.mark.parametrize(
    ("environment", "setting", "served"),
    [
        ("development", None, True),
        ("development", False, False),
        ("testing", None, False),
        ("production", None, False),
        ("production", True, True),
    ],
)
def test_pages_are_on_in_development_and_elsewhere_where_they_are_asked_for(
    environment, setting, served
):
    more = {"bcrypt_rounds": 12, "database_url": "memory:"}
    settings = settings_for(environment=environment, pages=setting, **more)

    assert settings.serves_pages is served


@pytest.mark.parametrize(("on", "target"), [(True, "/account/"), (False, "/docs")])
def test_the_root_leads_to_the_page_for_people(make_client, on, target):
    answer = make_client(pages=on).simulate_get("/")

    assert (answer.status_code, answer.headers["Location"]) == (303, target)


def test_the_account_page_is_found_without_its_slash_too(client):
    answer = client.simulate_get("/account")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/")


def test_applications_of_one_process_share_the_files():
    assert pages(Offer(), Look()) is pages(Offer(), Look())


@pytest.mark.parametrize(
    ("setting", "off", "form"),
    [
        ({"registration": "closed"}, "Create an account", "register"),
        ({"mail_url": None}, "Forgot your password?", "forgot"),
    ],
)
def test_what_is_off_leaves_no_trace_in_the_page(make_client, mail, setting, off, form):
    on = {"pages": True, **mail}
    html = make_client(**on).simulate_get("/account/").text
    without = make_client(**on | setting | ({"mail_from": None} if "mail_url" in setting else {}))

    assert off in html
    assert f'id="{form}"' in html
    html = without.simulate_get("/account/").text
    assert off not in html
    assert f'id="{form}"' not in html


def test_without_factors_the_page_has_none_of_them():
    html = html_of(Offer(factors=False))

    assert "passkey" not in html.lower()
    assert 'id="apps"' not in html
    assert 'id="confirm-password"' in html


def test_providers_are_in_the_page_where_there_are_some():
    assert 'id="providers"' in html_of(Offer(providers=True))
    assert 'id="providers"' not in html_of(Offer())


# --- How they are served


@pytest.mark.parametrize("path", PATHS)
def test_a_page_allows_its_own_origin_and_nothing_written_in_it(client, path):
    answer = client.simulate_get(path)

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "unsafe" not in POLICY


@pytest.mark.parametrize("path", [*PATHS, f"{FILES}account.css", f"{FILES}form.js"])
def test_an_unchanged_page_or_file_is_answered_304_by_its_etag(client, path):
    etag = client.simulate_get(path).headers["ETag"]

    again = client.simulate_get(path, headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("account.css", "text/css; charset=utf-8"),
        ("session.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_files_have_the_types_that_nosniff_asks_for(client, name, media_type):
    assert client.simulate_get(FILES + name).headers["Content-Type"] == media_type


@pytest.mark.parametrize("path", [*PATHS, f"{FILES}account.css"])
def test_a_client_that_takes_gzip_gets_it(client, path):
    plain = client.simulate_get(path)

    packed = client.simulate_get(path, headers={"Accept-Encoding": "br, gzip"})

    assert gzip.decompress(packed.content) == plain.content
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    known = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
    assert client.simulate_get(path, headers=known).status_code == 304


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "br, gzip; q=0.0", "x-gzip", ""])
def test_a_client_that_does_not_take_gzip_gets_none(client, accepted):
    answer = client.simulate_get("/account/", headers={"Accept-Encoding": accepted})

    assert "Content-Encoding" not in answer.headers
    assert "<!DOCTYPE html>" in answer.text


@pytest.mark.parametrize("name", ["", "layout.html", "verify.html", "..", "..%2f__init__.py"])
def test_no_other_names_are_served_as_files(client, name):
    """The templates of pages are not pages."""
    assert outcome(client.simulate_get(FILES + name)) == (404, "NOT_FOUND")


@pytest.mark.parametrize("path", PATHS)
def test_a_page_with_all_it_loads_has_less_than_60_kib(client, path):
    """The signed-in area is loaded later; what all of it weighs is measured in a browser."""
    files = [FILES + name for name in loaded_by(client, path, later=False)]

    assert sum(len(client.simulate_get(each).content) for each in [path, *files]) < MAX_BYTES


def test_what_pages_and_modules_name_is_there_and_nothing_else_is(client):
    files = set().union(*(loaded_by(client, path) for path in PATHS))

    for name in files:
        assert client.simulate_get(FILES + name).status_code == 200, name
    assert files == {path.name for path in FOLDER.iterdir()}


# --- What they hold


@pytest.mark.parametrize("path", PATHS)
def test_a_page_has_no_inline_script_or_style_and_names_no_other_place(client, path):
    html = client.simulate_get(path).text
    elements = Elements(html)

    assert all(each.get("src", "").startswith("files/") for each in elements.all("script"))
    assert not elements.all("style")
    for _, attributes in elements.found:
        assert not {name for name in attributes if name == "style" or name.startswith("on")}
    assert "//" not in html


@pytest.mark.parametrize("path", PATHS)
def test_a_page_says_its_language_title_and_name_and_has_landmarks(client, path):
    html = client.simulate_get(path).text
    elements = Elements(html)

    assert [each["lang"] for each in elements.all("html")] == ["en"]
    assert f"<title>{PAGES[path].title} \N{EN DASH} {DEFAULT_NAME}</title>" in html
    assert len(elements.all("main")) == len(elements.all("header")) == 1


@pytest.mark.parametrize("path", PATHS)
def test_no_form_can_put_a_password_into_the_address(client, path):
    """Not even where its script did not load: the method is POST, and nothing answers that."""
    forms = Elements(client.simulate_get(path).text).all("form")

    assert forms
    assert {each["method"] for each in forms} == {"post"}
    assert outcome(client.simulate_post(path)) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("path", PATHS)
def test_every_field_has_a_label_and_a_word_for_password_managers(client, path):
    elements = Elements(client.simulate_get(path).text)
    labelled = {each["for"] for each in elements.all("label")}
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]

    assert len(ids) == len(set(ids))
    for field in elements.all("input"):
        if "hidden" in field:  # For password managers, which save a new password with it.
            assert field["autocomplete"] == "username"
            continue
        assert field["id"] in labelled
        words = {"username", "username webauthn", "email"}
        if field["type"] == "password":
            is_new = field["name"] == "new_password" or field["id"] == "register-password"
            words = {"new-password" if is_new else "current-password"}
        if field["type"] == "text":
            words = {"one-time-code", "nickname", "off"}
        assert field["autocomplete"] in words
        assert ("required" in field) is (field["name"] != "username")


def test_every_code_has_a_sentence_for_a_person(client):
    text = client.simulate_get(f"{FILES}words.js").text
    told = set(re.findall(r"^  ([A-Z_]+):", text, re.MULTILINE))

    assert set(CATALOGUE) <= told


def test_every_event_of_the_audit_trail_has_words_for_a_person(client):
    text = client.simulate_get(f"{FILES}home_words.js").text
    told = set(re.findall(r'^  "([a-z._]+)": \[', text, re.MULTILINE))
    schema = client.simulate_get("/schemas/audit_event.json").json

    assert told == set(schema["properties"]["event"]["enum"])


def test_nothing_is_kept_beyond_the_tab(client):
    for name in set().union(*(loaded_by(client, path) for path in PATHS)):
        text = client.simulate_get(FILES + name).text
        for word in ("localStorage", "indexedDB", "document.cookie", "innerHTML", "eval("):
            assert word not in text, name
