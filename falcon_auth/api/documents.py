"""What the service says of itself: its schemas, the OpenAPI document, and the page to try it on.

Everything is read once, at start-up, and served with an ETag from memory.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import falcon
from falcon import Request, Response

from falcon_auth.api.bodies import MEDIA_JSON
from falcon_auth.api.guard import public
from falcon_auth.api.openapi import build_document
from falcon_auth.api.schemas import SCHEMA_FOLDER, SCHEMAS
from falcon_auth.errors import NotFoundError
from falcon_auth.strict_json import dump_json

MEDIA_SCHEMA = "application/schema+json"
_CSS = "text/css; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"
_PAGE_FOLDER = Path(__file__).with_name("page")
# Swagger UI draws its icons from data: URLs. Nothing else but this service is loaded or asked,
# no script or style is written in the page, and no other page may frame it.
PAGE_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class File:
    """What is served as it is, and the name of this very version of it."""

    media_type: str
    data: bytes = field(repr=False)

    @property
    def etag(self) -> str:
        """A digest: equal for equal files, in every process."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.data).digest()[:12]).decode()


class _Shelf:
    """Shows files; a client that has one already gets 304 (RFC 9110, 13.1.2)."""

    def __init__(self, files: Mapping[str, File], policy: str | None = None) -> None:
        self._files = {name: (file, file.etag) for name, file in files.items()}
        self._policy = policy

    def show(self, req: Request, resp: Response, name: str) -> None:
        """Answer with the file of that very name. Raises `NotFoundError`."""
        if name not in self._files:
            raise NotFoundError
        file, etag = self._files[name]
        resp.set_header("ETag", f'"{etag}"')
        resp.cache_control = ["no-cache"]
        if self._policy is not None:
            resp.set_header("Content-Security-Policy", self._policy)
        known = req.if_none_match or ()
        if "*" in known or any(each == etag for each in known):
            resp.status = falcon.HTTP_304
            return
        resp.content_type = file.media_type
        resp.data = file.data


@public
class Named:
    """Files, each under its name."""

    def __init__(self, files: Mapping[str, File]) -> None:
        self._shelf = _Shelf(files)

    def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Show one."""
        self._shelf.show(req, resp, name)


@public
class Single:
    """One file."""

    def __init__(self, file: File, policy: str | None = None) -> None:
        self._shelf = _Shelf({"": file}, policy)

    def on_get(self, req: Request, resp: Response) -> None:
        """Show it."""
        self._shelf.show(req, resp, "")


@cache
def documents() -> Mapping[str, object]:
    """Return the resources, by URI template; every application of a process shares them."""
    return {
        "/openapi.json": Single(File(MEDIA_JSON, dump_json(build_document()))),
        "/schemas/{name}": Named(_schema_files()),
        "/docs": Single(File(_HTML, (_PAGE_FOLDER / "index.html").read_bytes()), PAGE_POLICY),
        "/docs/{name}": Named(_page_files()),
    }


def _schema_files() -> dict[str, File]:
    names = [f"{name}.json" for name in SCHEMAS]
    return {name: File(MEDIA_SCHEMA, (SCHEMA_FOLDER / name).read_bytes()) for name in names}


def _page_files() -> dict[str, File]:
    """Return the page's own files, and those few of Swagger UI that it needs."""
    spec = find_spec("swagger_ui")  # Found, not imported: only its files are wanted.
    assert spec is not None and spec.origin is not None  # noqa: S101, PT018 - it is a requirement
    theirs, ours = Path(spec.origin).with_name("static"), _PAGE_FOLDER
    return {
        path.name: File(media_type, path.read_bytes())
        for path, media_type in (
            (ours / "start.js", _SCRIPT),
            (ours / "page.css", _CSS),
            (theirs / "swagger-ui-bundle.js", _SCRIPT),
            (theirs / "swagger-ui.css", _CSS),
            (theirs / "favicon-32x32.png", "image/png"),
        )
    }
