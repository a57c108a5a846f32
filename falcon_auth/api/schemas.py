"""The JSON Schemas: one file per body, read once, when this module is imported.

They are in `schemas/` of the project, and in an installation inside the package. Files in
subfolders, such as the fragments of the OpenAPI document, are not schemas.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def find_folder(package: Path) -> Path:
    """Return where the schemas are: in the installed *package*, or beside it in a checkout."""
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


SCHEMA_FOLDER = find_folder(Path(__file__).resolve().parents[1])


def read_schema_file(name: str) -> dict[str, Any]:
    """Return the JSON object in one schema file."""
    members: dict[str, Any] = json.loads((SCHEMA_FOLDER / name).read_bytes())
    return members


# By file name without its suffix.
SCHEMAS = {path.stem: read_schema_file(path.name) for path in sorted(SCHEMA_FOLDER.glob("*.json"))}
