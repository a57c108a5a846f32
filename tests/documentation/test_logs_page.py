"""docs/logs.md lists every event of the log; the tables are compared with the code."""

import ast
from pathlib import Path

from falcon_auth.observability.event_table import EVENTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
LEVELS = {"debug", "info", "warning", "error", "exception"}


def rows(heading):
    """The rows of the first table after a heading, as lists of cells."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def described(name, kind):
    """An event as the page writes it."""
    words = ", ".join(f"`{word}`" for word in kind.words) + ("" if kind.closed else ", …")
    level = kind.level or "not logged"
    if kind.quiet:
        level += f"; info for {', '.join(f'`{word}`' for word in kind.quiet)}"
    return [
        f"`{name}`",
        level,
        f"{kind.label}: {words}" if kind.label else "",
        f"{kind.metric.name}" if kind.metric else "",
        kind.meaning,
    ]


def logged_by(path):
    """The lines that a module logs beside the events: name and level."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and ast.unparse(node.func.value) in {"log", "self._log"}
        ):
            yield ast.literal_eval(node.args[0]), node.func.attr.replace("exception", "error")


def test_the_page_lists_every_event_as_the_table_has_it():
    assert rows("Events") == [described(*event) for event in EVENTS.items()]


def test_the_page_lists_every_other_line_that_the_code_logs():
    found = {pair for path in Path(ROOT, "falcon_auth").rglob("*.py") for pair in logged_by(path)}
    found.add(("log_lines_dropped", "warning"))  # Written by the log itself.
    listed = {(name.strip("`"), level) for name, level, _ in rows("Everything else")}

    assert listed == found
