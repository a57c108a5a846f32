"""The rooms: who may import whom is checked, not hoped for."""

import ast
from pathlib import Path

import falcon_auth

ROOT = Path(falcon_auth.__file__).parent
# These see all rooms.
# `__init__` hands on what marks resources, and imports it when it is asked for.
OUTER = {"service", "commands", "wsgi", "__main__", "__init__", "testing"}
# These know the world outside: HTTP, SQL, sockets. They import the domain, never each other.
EDGES = {"api", "pages", "stores", "server", "verifier"}
FRAMEWORKS = {"falcon", "waitress", "sqlalchemy", "redis"}


def modules():
    for path in ROOT.rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path):
    for name in imports_of(path):
        if name.startswith("falcon_auth."):
            room = name.split(".")[1]
            yield room
        elif name.split(".")[0] in FRAMEWORKS:
            yield name.split(".")[0]


def test_api_and_stores_never_meet():
    for name, path in modules():
        if name.startswith("api"):
            assert "stores" not in set(rooms_imported(path)), name
        if name.startswith("stores"):
            assert not {"api", "falcon"} & set(rooms_imported(path)), name


def test_the_domain_knows_no_edge_and_no_framework():
    forbidden = EDGES | OUTER | FRAMEWORKS
    for name, path in modules():
        if name.split(".")[0] not in EDGES | OUTER:
            assert not forbidden & set(rooms_imported(path)), name


def test_settings_know_no_keys_and_only_who_builds_or_commands_knows_settings():
    readers = {"settings", "service", "commands", "testing"}
    for name, path in modules():
        rooms = set(rooms_imported(path))
        if name.startswith("settings"):
            allowed = {
                "access",
                "delivery",
                "errors",
                "factors",
                "networks",
                "passwords",
                "providers",  # The form of RETURN_URLS, and nothing else.
                "settings",
            }
            assert rooms <= allowed, (name, rooms)
        elif name.split(".")[0] not in readers:
            assert "settings" not in rooms, name


def test_the_package_root_holds_about_a_dozen_names():
    names = {path.name for path in ROOT.iterdir() if path.name not in {"__pycache__", "py.typed"}}

    assert len([name for name in names if name.endswith(".py")]) <= 13, sorted(names)


def test_the_verifier_knows_no_store_and_nobody_knows_it():
    allowed = {"verifier", "api", "errors", "keys", "networks", "observability"}
    allowed |= {"factors", "sessions", "strict_json"}
    for name, path in modules():
        if name.startswith("verifier"):
            assert set(rooms_imported(path)) <= allowed, name


def test_the_pages_know_how_files_are_served_and_only_the_service_knows_them():
    for name, path in modules():
        if name.startswith("pages"):
            assert set(rooms_imported(path)) <= {"api", "pages"}, name
        elif name != "service.routing":
            assert "pages" not in set(rooms_imported(path)), name


def test_the_server_knows_nothing_of_the_application():
    for name, path in modules():
        if name.startswith("server"):
            assert set(rooms_imported(path)) <= {"server", "waitress"}, name


def test_there_is_no_circle_of_imports():
    known = {name for name, _ in modules()}
    graph = {
        name: {
            target.removeprefix("falcon_auth.")
            for target in imports_of(path)
            if target and target.removeprefix("falcon_auth.") in known - {name}
        }
        for name, path in modules()
    }
    done, path = set(), []

    def visit(name):
        assert name not in path, [*path, name]
        if name not in done:
            path.append(name)
            for target in graph[name]:
                visit(target)
            done.add(path.pop())

    for name in graph:
        visit(name)
