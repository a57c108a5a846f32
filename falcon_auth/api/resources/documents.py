"""Documentation endpoints: the schemas, the OpenAPI document, and the page that shows it.

Each file is read once, at the first request for it, and then served from memory with an ETag.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from falcon_auth.api.bodies import MEDIA_JSON
from falcon_auth.api.openapi import build_document
from falcon_auth.api.resources.files import MEDIA_CSS, MEDIA_HTML, MEDIA_SCRIPT, File, Named, Single
from falcon_auth.api.schemas import SCHEMA_FOLDER, SCHEMAS
from falcon_auth.strict_json import dump_json

MEDIA_SCHEMA = "application/schema+json"
_PAGE_FOLDER = Path(__file__).parents[1] / "page"
# Swagger UI draws its icons from data: URLs. Everything else is loaded from this service, the page
# has no inline script or style, and no other page may frame it.
PAGE_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def documents(fragments: tuple[str, ...]) -> Mapping[str, object]:
    """Return the resources by URI template; all applications of a process share them.

    *fragments* are the parts of the OpenAPI document that describe what is served.
    """
    return {
        "/openapi.json": Single(File(MEDIA_JSON, lambda: dump_json(build_document(fragments)))),
        "/schemas/{name}": Named(_schema_files()),
        "/docs": Single(File(MEDIA_HTML, (_PAGE_FOLDER / "index.html").read_bytes), PAGE_POLICY),
        "/docs/{name}": Named(_page_files()),
    }


def _schema_files() -> dict[str, File]:
    names = [f"{name}.json" for name in SCHEMAS]
    return {name: File(MEDIA_SCHEMA, (SCHEMA_FOLDER / name).read_bytes) for name in names}


def _page_files() -> dict[str, File]:
    """Return the page's own files, and the files of Swagger UI that it needs."""
    spec = find_spec("swagger_ui")  # Found, not imported: only its files are needed.
    assert spec is not None and spec.origin is not None  # noqa: S101, PT018 - it is a requirement
    theirs, ours = Path(spec.origin).with_name("static"), _PAGE_FOLDER
    return {
        path.name: File(media_type, path.read_bytes)
        for path, media_type in (
            (ours / "start.js", MEDIA_SCRIPT),
            (ours / "page.css", MEDIA_CSS),
            (theirs / "swagger-ui-bundle.js", MEDIA_SCRIPT),
            (theirs / "swagger-ui.css", MEDIA_CSS),
            (theirs / "favicon-32x32.png", "image/png"),
        )
    }
