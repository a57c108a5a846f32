"""An operator's name, logo and colour on the pages, checked before they are shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

DEFAULT_NAME = "Falcon Auth"
DEFAULT_COLOR = "#14655c"  # As in account.css and icon.svg.
MAX_LOGO_BYTES = 12 * 1024  # So that a page stays light.
LOGO_SUFFIXES = (".png", ".svg")
MIN_CONTRAST = 4.5  # Of text (WCAG 2.2, 1.4.3).
DARK_CONTRAST = 7.0  # Of what a colour is lightened to on a dark screen.
# The backgrounds of account.css on which links are read, in light and dark colours.
LIGHT_GROUND, DARK_SURFACE = "#f5f5f2", "#1a2120"
_LIGHTER_STEPS = 100
_COLOR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)

_Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """How the pages present themselves; *color* is written `#rrggbb`, None is the built-in one.

    Raises `ValueError`, which names the setting, for a colour that cannot be read on the pages.
    """

    name: str = DEFAULT_NAME
    logo: Path | None = None
    color: str | None = None

    def __post_init__(self) -> None:
        if self.color is None:
            return
        if not _COLOR.fullmatch(self.color):
            message = "PAGES_COLOR: is written #rrggbb"
            raise ValueError(message)
        found = contrast(parse_color(self.color), parse_color(LIGHT_GROUND))
        if found < MIN_CONTRAST:
            message = (
                f"PAGES_COLOR: its contrast with the pages' background is {found:.1f}:1; text "
                f"needs {MIN_CONTRAST}:1 (WCAG 2.2), so choose a darker one"
            )
            raise ValueError(message)

    def read_logo(self) -> tuple[str, bytes] | None:
        """Return the logo's name among the files of the pages, and its content.

        Raises `ValueError`, which names the setting, where it cannot be used.
        """
        if self.logo is None:
            return None
        if self.logo.suffix not in LOGO_SUFFIXES:
            message = f"PAGES_LOGO: its name ends in {' or '.join(LOGO_SUFFIXES)}"
            raise ValueError(message)
        try:
            content = self.logo.read_bytes()
        except OSError as error:
            message = f"PAGES_LOGO: cannot be read: {error.strerror}"
            raise ValueError(message) from None
        if len(content) > MAX_LOGO_BYTES:
            message = f"PAGES_LOGO: has more than {MAX_LOGO_BYTES // 1024} KiB"
            raise ValueError(message)
        return f"logo{self.logo.suffix}", content

    @cached_property
    def style(self) -> str:
        """What follows the style sheet: the colour, and a lighter one for dark screens."""
        if self.color is None:
            return ""
        dark = lighten(parse_color(self.color), parse_color(DARK_SURFACE))
        return (
            f":root{{--accent:{self.color.lower()}}}\n"
            f"@media (prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}\n"
        )


def contrast(one: _Rgb, other: _Rgb) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def lighten(color: _Rgb, ground: _Rgb) -> str:
    """Return *color* with as much white as makes it readable on a dark *ground*."""
    steps = (_mixed(color, step / _LIGHTER_STEPS) for step in range(_LIGHTER_STEPS + 1))
    fitting = next(each for each in steps if contrast(each, ground) >= DARK_CONTRAST)
    return "#" + "".join(f"{round(255 * part):02x}" for part in fitting)


def _mixed(color: _Rgb, white: float) -> _Rgb:
    red, green, blue = (part + (1 - part) * white for part in color)
    return red, green, blue


def parse_color(text: str) -> _Rgb:
    """Return red, green and blue, 0 to 1, of a colour written `#rrggbb`."""
    red, green, blue = (int(text[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _luminance(color: _Rgb) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB
        for part in color
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
