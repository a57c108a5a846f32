"""Schemas, the document and its page over HTTP: types, caching, and nothing beside them."""

import hashlib
from pathlib import Path

import pytest
from conftest import outcome

from falcon_auth.api.schemas import SCHEMA_FOLDER, SCHEMAS

CACHED = ["/openapi.json", "/docs", "/docs/start.js", "/schemas/login.json"]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_served_as_it_is(client, name):
    answer = client.simulate_get(f"/schemas/{name}.json")

    assert answer.headers["Content-Type"] == "application/schema+json"
    assert answer.content == (SCHEMA_FOLDER / f"{name}.json").read_bytes()
    assert answer.json["$id"] == f"{name}.json"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "login",
        "LOGIN.json",
        "nothing.json",
        "openapi/document.json",
        "..",
        "../app.py",
        "%2e%2e%2fapp.py",
        "..%2fschemas%2flogin.json",
        "..%5capp.py",
        "%252e%252e%252fapp.py",
        ".%00/login.json",
        "login.json%00",
        "login.json/",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "login.json%ff",
        "café.json",
    ],
)
@pytest.mark.parametrize("folder", ["/schemas", "/docs"])
def test_other_names_are_not_found(client, folder, name):
    """Names are keys of a dict, never paths: there is nothing to traverse."""
    assert outcome(client.simulate_get(f"{folder}/{name}")) == (404, "NOT_FOUND")


def test_the_root_leads_to_the_page_for_people(client):
    answer = client.simulate_get("/")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/docs")
    assert client.simulate_get(answer.headers["Location"]).status_code == 200


@pytest.mark.parametrize("path", CACHED)
def test_an_unchanged_file_is_answered_304(client, path):
    first = client.simulate_get(path)
    etag = first.headers["ETag"]

    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = client.simulate_get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag
    for unknown in ('"other"', "", "nonsense", '"', etag.strip('"')[1:]):
        changed = client.simulate_get(path, headers={"If-None-Match": unknown})
        assert (changed.status_code, changed.content) == (200, first.content)


@pytest.mark.parametrize("path", CACHED)
def test_head_is_get_without_the_body(client, path):
    get, head = client.simulate_get(path), client.simulate_head(path)

    assert head.content == b""
    for name in ("ETag", "Content-Type", "Content-Length", "Content-Security-Policy"):
        assert head.headers[name] == get.headers[name]


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_script(client):
    page = client.simulate_get("/docs")

    assert "//" not in page.text.replace("<!--", "")
    assert page.text.count("<script") == page.text.count("<script src=")
    assert "style=" not in page.text
    assert "<style" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy


def test_the_files_of_the_page_are_those_installed(client):
    import swagger_ui

    folder = Path(swagger_ui.__file__).parent / "static"
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
        served = client.simulate_get(f"/docs/{name}").content
        installed = (folder / name).read_bytes()
        assert hashlib.sha256(served).digest() == hashlib.sha256(installed).digest()
