"""`python docs/draw_rooms.py [--write]`: draw the rooms in docs/architecture.md from the imports.

An arrow says that a room imports another. Left out are rooms that nearly everyone imports
(`SHARED`), and arrows that a chain of other arrows already implies.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "falcon_auth"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms -->\n", "<!-- end of rooms -->\n"
SHARED = {"errors", "models", "networks", "strict_json", "extras", "observability"}
# From the entrances at the top down to what knows nothing of the others.
LAYERS = {
    "Entrances": {"__main__", "wsgi", "commands", "testing"},
    "Builds": {"service"},
    "Edges": {"api", "pages", "stores", "server", "verifier"},
}
DOMAIN = "Domain"


def imported_rooms(path: Path) -> set[str]:
    """Return the rooms of `falcon_auth` that a module imports anything from."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("falcon_auth."):
            rooms.add((node.module or "").split(".")[1])
    return rooms


def room_imports() -> dict[str, set[str]]:
    """Return for each room those that it imports, without itself and the shared ones."""
    graph: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room != "__init__":
            graph.setdefault(room, set()).update(imported_rooms(path))
    return {
        room: targets - SHARED - {room} for room, targets in graph.items() if room not in SHARED
    }


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return every room that *start* imports, directly or through others."""
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        room = waiting.pop()
        if room not in found:
            found.add(room)
            waiting.extend(graph[room])
    return found


def drawing() -> str:
    """Return the Mermaid source of the picture."""
    graph = room_imports()
    reach = {room: reachable(graph, room) for room in graph}
    layers = LAYERS | {DOMAIN: set(graph) - set().union(*LAYERS.values())}
    lines = ["```mermaid", "flowchart TD"]
    for layer, rooms in layers.items():
        lines.append(f"  subgraph {layer}")
        lines.extend(f"    {room}" for room in sorted(rooms))
        lines.append("  end")
    for room in sorted(graph):
        implied = set().union(*(reach[other] for other in graph[room]))
        lines.extend(f"  {room} --> {target}" for target in sorted(graph[room] - implied))
    return "\n".join([*lines, "```", ""])


def page_with(picture: str) -> str:
    """Return the page with *picture* in its place."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return before + BEGIN + picture + END + rest.split(END)[1]


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page_with(drawing()), encoding="utf-8")
    else:
        print(drawing(), end="")  # noqa: T201 - a command's output
