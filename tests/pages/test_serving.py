"""The account pages as files: when they are there, how they are served, what they may not hold."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import outcome, settings_for

import falcon_auth.pages
from falcon_auth.errors import CATALOGUE
from falcon_auth.pages import PAGES, POLICY, SERVICE_NAME, pages

PATHS = sorted(PAGES)
MAX_BYTES = 60 * 1024  # Of all pages with all they load.
FILES = "/account/files/"
FOLDER = Path(falcon_auth.pages.__file__).with_name("files")
VOID = {"meta", "link", "input", "rect", "path"}  # Elements without an end, or without content.


@pytest.fixture
def client(make_client):
    return make_client(pages=True)


def loaded_by(client, path):
    """The files that a page and its modules name, by name."""
    names = set(re.findall(r'(?:href|src)="files/([\w.]+)"', client.simulate_get(path).text))
    while True:
        scripts = [name for name in names if name.endswith(".js")]
        texts = [client.simulate_get(FILES + name).text for name in scripts]
        more = {name for text in texts for name in re.findall(r'from "\./([\w.]+)"', text)}
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
    assert pages() is pages()


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


@pytest.mark.parametrize("name", ["", "layout.html", "verify.html", "..", "..%2f__init__.py"])
def test_no_other_names_are_served_as_files(client, name):
    """The fragments of pages are not pages."""
    assert outcome(client.simulate_get(FILES + name)) == (404, "NOT_FOUND")


def test_all_pages_with_all_they_load_have_less_than_60_kib(client):
    files = set().union(*(loaded_by(client, path) for path in PATHS))

    size = sum(len(client.simulate_get(FILES + name).content) for name in files)
    assert size + sum(len(client.simulate_get(path).content) for path in PATHS) < MAX_BYTES


def test_what_pages_and_modules_name_is_there_and_nothing_else_is(client):
    files = set().union(*(loaded_by(client, path) for path in PATHS))

    for name in files:
        assert client.simulate_get(FILES + name).status_code == 200, name
    kept = {path.name for path in FOLDER.iterdir() if path.suffix != ".html"}
    assert files == kept


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
    assert f"<title>{PAGES[path].title} \N{EN DASH} {SERVICE_NAME}</title>" in html
    assert len(elements.all("main")) == len(elements.all("header")) == 1


@pytest.mark.parametrize("path", PATHS)
def test_no_form_can_put_a_password_into_the_address(client, path):
    """Not even where its script did not load: the method is POST, and nothing answers that."""
    forms = Elements(client.simulate_get(path).text).all("form")

    assert forms
    assert {each["method"] for each in forms} == {"post"}
    assert outcome(client.simulate_post(path)) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("path", PATHS)
def test_every_field_has_a_label_a_place_for_its_fault_and_a_word_for_password_managers(
    client, path
):
    elements = Elements(client.simulate_get(path).text)
    labelled = {each["for"] for each in elements.all("label")}
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]

    assert len(ids) == len(set(ids))
    for field in elements.all("input"):
        assert field["id"] in labelled
        assert f"{field['id']}-fault" in ids
        assert "required" in field
        words = {"username", "email"}
        if field["type"] == "password":
            words = {"new-password" if field["name"] == "new_password" else "current-password"}
        assert field["autocomplete"] in words


def test_every_code_has_a_sentence_for_a_person(client):
    text = client.simulate_get(f"{FILES}sentences.js").text
    told = set(re.findall(r"^  ([A-Z_]+):", text, re.MULTILINE))

    assert set(CATALOGUE) <= told


def test_nothing_is_kept_beyond_the_tab(client):
    for name in set().union(*(loaded_by(client, path) for path in PATHS)):
        text = client.simulate_get(FILES + name).text
        for word in ("localStorage", "indexedDB", "document.cookie", "innerHTML", "eval("):
            assert word not in text, name
