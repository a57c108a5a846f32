"""docs/architecture.md shows the rooms as they are."""

import runpy
from pathlib import Path

import falcon_auth

PACKAGE = Path(falcon_auth.__file__).parent
DOCS = PACKAGE.parent / "docs"
PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")


def test_the_picture_is_drawn_from_the_imports_of_today():
    """If this fails, run `python docs/draw_rooms.py --write`."""
    script = runpy.run_path(str(DOCS / "draw_rooms.py"))

    assert script["page_with"](script["drawing"]()) == PAGE


def test_the_table_of_rooms_lists_every_folder_of_the_package():
    table = PAGE.split("| room |")[1].split("\n\n")[0]
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}

    assert [folder for folder in sorted(folders) if f"`{folder}`" not in table] == []


def test_no_import_between_rooms_runs_back_up():
    """A room that another one imports never imports that one, however long the way."""
    script = runpy.run_path(str(DOCS / "draw_rooms.py"))
    graph = script["room_imports"]()

    assert [room for room in graph if room in script["reachable"](graph, room)] == []
