"""What the wheel asks for, what the lock file pins, and what the code imports agree."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from processes import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
RANGES = [
    requirement
    for group in (PROJECT["dependencies"], *EXTRAS.values())
    for requirement in map(Requirement, group)
    if requirement.name != PROJECT["name"]
]
OF_TESTS = {"pytest"}  # `testing` brings it; the lock of the tests pins it.


def pins_of(*files):
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in files)
    pinned = re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pinned}


@pytest.mark.parametrize("requirement", RANGES, ids=lambda each: each.name)
def test_the_range_admits_the_version_of_the_lock_and_has_a_lower_end(requirement):
    pins = pins_of("requirements.txt", "requirements-dev.txt")

    assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])
    assert ">=" in str(requirement.specifier)
    assert "==" not in str(requirement.specifier)


def test_what_the_package_imports_is_what_the_wheel_asks_for():
    """Neither by way of another library, nor for nothing (files of swagger-ui-py are served)."""
    modules = {
        name.partition(".")[0]
        for path in (ROOT / "falcon_auth").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    stubs = {"_typeshed", "pydantic_core"}  # Only types are taken from these.
    foreign = modules - sys.stdlib_module_names - stubs - {"falcon_auth"}
    owners = packages_distributions()
    imported = {canonicalize_name(owners[module][0]) for module in foreign}

    assert imported | {"swagger-ui-py"} == {canonicalize_name(each.name) for each in RANGES}


def test_the_lock_holds_what_is_asked_for():
    locked = pins_of("requirements.txt")

    asked = {canonicalize_name(each.name) for each in RANGES}
    assert asked - OF_TESTS <= locked.keys()


def test_verifier_and_testing_ask_for_no_database():
    asked = {Requirement(each).name for each in (*PROJECT["dependencies"], *EXTRAS["core"])}

    assert EXTRAS["verifier"] == []
    assert not asked & {"sqlalchemy", "alembic", "psycopg", "redis"}
