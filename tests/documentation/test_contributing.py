"""CONTRIBUTING.md says where things are: every name exists, and requests travel as described."""

import ast
import sys
from pathlib import Path

import pytest

import falcon_auth

PACKAGE = Path(falcon_auth.__file__).parent
PAGE = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(heading):
    """The text under a heading, up to the next one of its level or above."""
    level, _, _ = heading.partition(" ")
    text = PAGE.split(f"\n{heading}\n")[1]
    for shorter in range(2, len(level) + 1):
        text = text.split(f"\n{'#' * shorter} ")[0]
    return text


def rows(heading):
    """The rows of the first table under a heading, without code marks."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line[1:-1].split("|")] for line in lines]


def steps(heading):
    """The file and function in each row of a request's path."""
    return [(file, function) for file, function, _ in rows(heading) if file]


REQUESTS = ["### Log-in", "### Refresh", "### Guarded request", "### Registration"]
PLACES = [(file, name) for _, file, name in rows("## Where to find what")]
STEPS = [step for heading in ["### Every request", *REQUESTS] for step in steps(heading)]


def names_in(tree, prefix=""):
    """The qualified names of all functions and classes in a module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield prefix + node.name
            yield from names_in(node, f"{prefix}{node.name}.")


@pytest.mark.parametrize(("file", "name"), sorted({*PLACES, *STEPS}))
def test_every_file_and_name_that_the_page_points_to_exists(file, name):
    source = (PACKAGE / file).read_text(encoding="utf-8")

    assert name in set(names_in(ast.parse(source)))


def test_the_behaviours_are_in_alphabetical_order():
    behaviours = [behaviour.lower() for behaviour, _, _ in rows("## Where to find what")]

    assert behaviours == sorted(behaviours)


def calls_during(send):
    """The functions of the package that are called on this thread, in order: file and name.

    Coverage and debuggers use another hook (`sys.settrace`), so both work at once.
    """
    calls = []

    def hook(frame, event, _argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            calls.append((path.relative_to(PACKAGE).as_posix(), frame.f_code.co_qualname))

    sys.setprofile(hook)
    try:
        answer = send()
    finally:
        sys.setprofile(None)
    assert answer.status_code < 300
    return calls


@pytest.mark.parametrize("heading", REQUESTS)
def test_a_request_passes_the_functions_that_the_page_names_in_that_order(client, heading):
    user = client.register("grace@example.com")
    send = {
        "### Log-in": lambda: client.login("grace@example.com"),
        "### Refresh": lambda: client.refresh(user),
        "### Guarded request": lambda: client.profile(user),
        "### Registration": client.register,
    }[heading]

    calls = calls_during(send)

    for path in (steps("### Every request"), steps(heading)):
        remaining = iter(calls)
        missing = [
            step for step in path if step not in remaining
        ]  # Each search goes on from there.
        assert not missing
