"""The pages for operators: every table, every event of the audit trail, only tests that exist."""

import re
from pathlib import Path
from typing import get_args

from falcon_auth.audit.trail import AuditWord
from falcon_auth.stores.sql import store as _store  # noqa: F401 - brings every table with it
from falcon_auth.stores.sql.tables import metadata

ROOT = Path(__file__).parents[2]


def test_every_table_is_among_those_with_their_personal_data():
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.split("## Personal data, table by table")[1]

    assert set(re.findall(r"^\| (\w+) \|", section, re.MULTILINE)) - {"table"} == set(
        metadata.tables
    )


def test_the_tests_that_show_a_security_property_exist():
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page))

    assert len(named) > 30
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_every_event_of_the_audit_trail_is_explained():
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    section = page.split("## Events")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    assert set(re.findall(r"`([a-z_.]+)`", " ".join(rows))) == set(get_args(AuditWord))
