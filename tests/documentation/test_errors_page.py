"""docs/errors.md is the catalogue, and says of each code what a client does."""

import re

import pytest
from processes import ROOT

from falcon_auth.errors import CATALOGUE

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([A-Z_]+) \| (\d{3}) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)


def test_every_code_is_listed_once_with_its_status():
    listed = [(code, int(status)) for code, status, _, _ in ROWS]

    assert sorted(listed) == sorted((code, kind.status) for code, kind in CATALOGUE.items())


def test_codes_stand_in_the_order_of_their_statuses():
    statuses = [int(status) for _, status, _, _ in ROWS]

    assert statuses == sorted(statuses)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("RATE_LIMITED", "again"),
        ("STORE_UNAVAILABLE", "again"),
        ("TOKEN_EXPIRED", "refresh"),
        ("TOKEN_REUSED", "log in"),
        ("DUPLICATE_EMAIL", "ask"),
        ("INVALID_CREDENTIALS", "ask"),
        ("SECOND_FACTOR_REQUIRED", "ask"),
        ("FACTOR_INVALID", "ask"),
        ("STEP_UP_REQUIRED", "ask"),
        ("INVALID_CLIENT", "give up"),
        ("INSUFFICIENT_SCOPE", "give up"),
    ],
)
def test_the_function_of_the_page_does_what_the_table_says(code, expected):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(program, names)  # noqa: S102 - the documentation's own text

    assert names["what_to_do"](CATALOGUE[code].status, code) == expected
