"""The pages and the files that they load, as resources by path.

Each page is a Jinja2 template that extends `layout.html`, rendered at the first request for it:
capabilities that are off leave no trace in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from falcon_auth.api.resources.files import (
    MEDIA_CSS,
    MEDIA_HTML,
    MEDIA_PNG,
    MEDIA_SCRIPT,
    MEDIA_SVG,
    File,
    Named,
    Single,
)
from falcon_auth.api.resources.home import Home
from falcon_auth.pages.look import DEFAULT_COLOR, Look

ACCOUNT = "/account/"
# Scripts and styles are this service's own files, and the scripts may call this service only.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STYLE_SHEET, ICON = "account.css", "icon.svg"
_FOLDER = Path(__file__).parent
_MEDIA_TYPES = {".css": MEDIA_CSS, ".js": MEDIA_SCRIPT, ".svg": MEDIA_SVG, ".png": MEDIA_PNG}
_INDENTATION = re.compile(r"\n\s+")


@dataclass(frozen=True)
class Page:
    """One page: its title, and the names of its template and its script."""

    title: str
    template: str
    script: str


PAGES: Mapping[str, Page] = {
    ACCOUNT: Page("Your account", "account.html", "account.js"),
    "/account/verify": Page("Confirm your address", "verify.html", "verify.js"),
    "/account/reset": Page("Choose a new password", "reset.html", "password.js"),
    "/account/email": Page("Confirm your new address", "email.html", "email.js"),
    "/account/invitation": Page("Accept your invitation", "invitation.html", "password.js"),
}


@dataclass(frozen=True)
class Offer:
    """Which capabilities the service has, as far as the pages show them."""

    registration: bool = True
    mail: bool = True
    factors: bool = True
    providers: bool = False


@cache
def pages(offer: Offer, look: Look) -> Mapping[str, object]:
    """Return the resources, by URI template; applications with the same arguments share them.

    Raises `ValueError`, which names the setting, where *look* cannot be shown.
    """
    logo = look.read_logo()
    files = {
        path.name: File(_MEDIA_TYPES[path.suffix], path.read_bytes, packs=True)
        for path in (_FOLDER / "files").iterdir()
    }
    files[STYLE_SHEET] = File(MEDIA_CSS, partial(_style, look), packs=True)
    files[ICON] = File(MEDIA_SVG, partial(_icon, look), packs=True)
    facts = {**vars(offer), "name": look.name, "icon": ICON}
    if logo is not None:
        name, content = logo
        files[name] = File(_MEDIA_TYPES[Path(name).suffix], lambda: content, packs=True)
        facts["icon"] = name
    return {
        "/account": Home(ACCOUNT),
        **{
            path: Single(File(MEDIA_HTML, partial(_render, page, facts), packs=True), POLICY)
            for path, page in PAGES.items()
        },
        "/account/files/{name}": Named(files),
    }


def _style(look: Look) -> bytes:
    style = (_FOLDER / "files" / STYLE_SHEET).read_text(encoding="utf-8")
    return _INDENTATION.sub("\n", style).encode() + look.style.encode()


def _icon(look: Look) -> bytes:
    icon = (_FOLDER / "files" / ICON).read_text(encoding="utf-8")
    return icon.replace(DEFAULT_COLOR, look.color or DEFAULT_COLOR).encode()


def _render(page: Page, facts: Mapping[str, object]) -> bytes:
    # Imported here, because a process whose pages nobody opens does without it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= facts
    html = environment.get_template(page.template).render(title=page.title, script=page.script)
    return _INDENTATION.sub("\n", html).strip().encode() + b"\n"
