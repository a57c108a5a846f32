"""The account pages: the targets of links in mails, and the page on which users see their account.

They are static files that use the public API as any other client does; this package knows no
use case, store or token. Each page is `layout.html` around its own fragment, assembled at the
first request for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from html import escape
from pathlib import Path
from string import Template

from falcon_auth.api.resources.files import (
    MEDIA_CSS,
    MEDIA_HTML,
    MEDIA_SCRIPT,
    MEDIA_SVG,
    File,
    Named,
    Single,
)
from falcon_auth.api.resources.home import Home

ACCOUNT = "/account/"
SERVICE_NAME = "Falcon Auth"
# Scripts and styles are this service's own files, and the scripts may call this service only.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_FOLDER = Path(__file__).with_name("files")
_MEDIA_TYPES = {".css": MEDIA_CSS, ".js": MEDIA_SCRIPT, ".svg": MEDIA_SVG}


@dataclass(frozen=True)
class Page:
    """One page: its title, and the names of its fragment and its script."""

    title: str
    fragment: str
    script: str


PAGES: Mapping[str, Page] = {
    ACCOUNT: Page("Your account", "account.html", "account.js"),
    "/account/verify": Page("Confirm your address", "verify.html", "verify.js"),
    "/account/reset": Page("Choose a new password", "reset.html", "password.js"),
    "/account/email": Page("Confirm your new address", "email.html", "email.js"),
    "/account/invitation": Page("Accept your invitation", "invitation.html", "password.js"),
}


@cache
def pages() -> Mapping[str, object]:
    """Return the resources, by URI template; every application of a process shares them."""
    return {
        "/account": Home(ACCOUNT),
        **{
            path: Single(File(MEDIA_HTML, partial(_render, page)), POLICY)
            for path, page in PAGES.items()
        },
        "/account/files/{name}": Named(
            {
                path.name: File(_MEDIA_TYPES[path.suffix], path.read_bytes)
                for path in _FOLDER.iterdir()
                if path.suffix in _MEDIA_TYPES
            }
        ),
    }


def _render(page: Page) -> bytes:
    layout = Template((_FOLDER / "layout.html").read_text(encoding="utf-8"))
    content = (_FOLDER / page.fragment).read_text(encoding="utf-8")
    return layout.substitute(
        name=escape(SERVICE_NAME),
        title=escape(page.title),
        script=page.script,
        content=content.replace("\n", "\n      ").rstrip(),
    ).encode()
