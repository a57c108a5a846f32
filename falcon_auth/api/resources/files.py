"""Static files with an ETag, read once at the first request for them.

The documents and the pages use them; the pages' are served in gzip too.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import falcon
from falcon import Request, Response

from falcon_auth.api.guard import public
from falcon_auth.errors import NotFoundError

MEDIA_CSS = "text/css; charset=utf-8"
MEDIA_HTML = "text/html; charset=utf-8"
MEDIA_PNG = "image/png"
MEDIA_SCRIPT = "text/javascript; charset=utf-8"
MEDIA_SVG = "image/svg+xml"
# The coding by name, and not with the weight 0 that refuses it (RFC 9110, 12.5.3).
_TAKES_GZIP = re.compile(r"(^|,)\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*(,|$))|,|$)", re.IGNORECASE)


@dataclass(frozen=True)
class File:
    """A static file and its ETag."""

    media_type: str
    read: Callable[[], bytes]  # Called once, or concurrently by two threads with the same result.
    packs: bool = (
        False  # Whether clients that take gzip get it so. It must hold no secret (BREACH).
    )

    @cached_property
    def data(self) -> bytes:
        """The file's content, read at the first use."""
        return self.read()

    @cached_property
    def packed(self) -> bytes:
        """The content in gzip; the same bytes in every process."""
        return gzip.compress(self.data, mtime=0)

    @cached_property
    def etag(self) -> str:
        """A digest of the content, so that every process has the same ETag."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.data).digest()[:12]).decode()


class Shelf:
    """Serves files; a client that already has one gets 304 (RFC 9110, 13.1.2)."""

    def __init__(self, files: Mapping[str, File], policy: str | None = None) -> None:
        self._files = files
        self._policy = policy

    def show(self, req: Request, resp: Response, name: str) -> None:
        """Answer with the file of exactly that name. Raises `NotFoundError`."""
        if name not in self._files:
            raise NotFoundError
        file = self._files[name]
        is_packed = file.packs and bool(_TAKES_GZIP.search(req.get_header("Accept-Encoding") or ""))
        etag = f"{file.etag}-gzip" if is_packed else file.etag  # Each coding has its own.
        if file.packs:
            resp.append_header("Vary", "Accept-Encoding")
        resp.set_header("ETag", f'"{etag}"')
        resp.cache_control = ["no-cache"]
        if self._policy is not None:
            resp.set_header("Content-Security-Policy", self._policy)
        known = req.if_none_match or ()
        if "*" in known or any(each == etag for each in known):
            resp.status = falcon.HTTP_304
            return
        resp.content_type = file.media_type
        if is_packed:
            resp.set_header("Content-Encoding", "gzip")
        resp.data = file.packed if is_packed else file.data


@public
class Named:
    """A collection of files, each served under its name."""

    def __init__(self, files: Mapping[str, File]) -> None:
        self._shelf = Shelf(files)

    def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Answer 200 with the file *name*, or 304. Raises `NotFoundError`."""
        self._shelf.show(req, resp, name)


@public
class Single:
    """A resource that serves one file."""

    def __init__(self, file: File, policy: str | None = None) -> None:
        self._shelf = Shelf({"": file}, policy)

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with the file, or 304."""
        self._shelf.show(req, resp, "")
