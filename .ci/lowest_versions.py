"""Print the lower ends of the ranges in pyproject.toml, as constraints for pip: `make lowest`."""

# ruff: noqa: INP001 - a program, not a package

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
groups = [project["dependencies"], *project["optional-dependencies"].values()]
lowest = {
    found["name"]: found["version"]
    for each in chain.from_iterable(groups)
    if (found := re.match(r"(?P<name>[\w.-]+)(\[\w+\])?>=(?P<version>[\w.]+)", each))
}
sys.stdout.writelines(f"{name}=={version}\n" for name, version in sorted(lowest.items()))
