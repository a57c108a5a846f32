"""An operator's name, logo and colour: shown, or refused at start-up."""

import re

import falcon
import pytest
from falcon import testing

from falcon_auth.errors import ConfigurationError
from falcon_auth.pages.look import (
    DARK_CONTRAST,
    DARK_SURFACE,
    DEFAULT_COLOR,
    LIGHT_GROUND,
    MIN_CONTRAST,
    Look,
    contrast,
    parse_color,
)
from falcon_auth.pages.site import Offer, pages

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><script>alert(1)</script></svg>'


def served(look, path):
    app = falcon.App()
    for template, resource in pages(Offer(), look).items():
        app.add_route(template, resource)
    return testing.TestClient(app).simulate_get(path)


def test_the_contrast_is_that_of_wcag():
    """Black on white is 21, and #777 on white is the well-known one that just fails."""
    assert contrast(parse_color("#000000"), parse_color("#ffffff")) == pytest.approx(21)
    assert contrast(parse_color("#ffffff"), parse_color("#777777")) == pytest.approx(
        4.478, abs=0.001
    )


def test_the_colours_that_are_checked_against_are_those_of_the_style_sheet():
    style = served(Look(), "/account/files/account.css").text

    assert re.findall(r"--accent: (#\w+);", style)[0] == DEFAULT_COLOR
    assert re.findall(r"--ground: (#\w+);", style)[0] == LIGHT_GROUND
    assert re.findall(r"--surface: (#\w+);", style)[1] == DARK_SURFACE


@pytest.mark.parametrize("color", ["#7a0d5a", "#0000FF", "#000000"])
def test_a_colour_follows_the_style_sheet_and_is_lightened_for_dark_screens(color):
    style = served(Look(color=color), "/account/files/account.css").text
    light, dark = re.findall(r"--accent:(#[0-9a-f]{6})", style)

    assert light == color.lower()
    assert color in served(Look(color=color), "/account/files/icon.svg").text
    assert contrast(parse_color(light), parse_color(LIGHT_GROUND)) >= MIN_CONTRAST
    assert (
        contrast(parse_color(dark), parse_color(DARK_SURFACE)) >= DARK_CONTRAST - 0.1
    )  # It was rounded.


@pytest.mark.parametrize(
    ("color", "why"),
    [
        ("#ffd400", r"contrast with the pages' background is 1\.\d:1"),
        ("#777777", "4.5:1"),
        ("teal", "#rrggbb"),
        ("#14655c;}body{display:none", "#rrggbb"),
        ("#14655", "#rrggbb"),
    ],
)
def test_a_colour_that_cannot_be_read_is_refused(color, why):
    with pytest.raises(ValueError, match=f"^PAGES_COLOR: .*{why}"):
        Look(color=color)


def test_a_name_and_a_logo_are_shown_and_the_logo_runs_no_script(tmp_path):
    logo = tmp_path / "ours.svg"
    logo.write_bytes(SVG)
    look = Look("Countess & Co", logo)

    html = served(look, "/account/").text
    picture = served(look, "/account/files/logo.svg")

    assert "<title>Your account \N{EN DASH} Countess &amp; Co</title>" in html
    assert '<img class="mark" src="files/logo.svg" alt=""' in html
    assert '<link rel="icon" href="files/logo.svg">' in html
    assert (picture.content, picture.headers["Content-Type"]) == (SVG, "image/svg+xml")


def test_a_logo_that_is_opened_by_itself_may_load_and_run_nothing(make_client, tmp_path):
    logo = tmp_path / "ours.svg"
    logo.write_bytes(SVG)
    client = make_client(pages=True, pages_logo=logo)

    answer = client.simulate_get("/account/files/logo.svg")

    policy = "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["Content-Security-Policy"] == policy


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("logo.gif", b"GIF89a", "its name ends in .png or .svg"),
        ("logo.png", b"x" * 12_289, "more than 12 KiB"),
        ("logo.png", None, "cannot be read"),
    ],
)
def test_a_logo_that_cannot_be_shown_stops_the_start(make_client, tmp_path, name, content, why):
    logo = tmp_path / name
    if content is not None:
        logo.write_bytes(content)

    with pytest.raises(ConfigurationError, match=f"^PAGES_LOGO: .*{why}"):
        make_client(pages=True, pages_logo=logo)


def test_where_pages_are_off_nothing_of_them_is_read(make_client, tmp_path):
    make_client(pages=False, pages_logo=tmp_path / "missing.png", pages_color="junk")
