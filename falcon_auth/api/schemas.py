"""The schemas: one file a body, read and compiled once, when this module is imported.

They stand in `schemas/` of the project; an installation has them inside the package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from falcon_auth.emails import EmailSyntaxError, parse_email

SKELETON = "openapi.skeleton.json"  # The one file there that is no schema.


def find_folder(package: Path) -> Path:
    """Return where the schemas are: in the installed *package*, or beside it in a checkout."""
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


SCHEMA_FOLDER = find_folder(Path(__file__).resolve().parents[1])


def read_json(name: str) -> dict[str, Any]:
    """Return the members of one file of the folder."""
    members: dict[str, Any] = json.loads((SCHEMA_FOLDER / name).read_bytes())
    return members


# By file name without its suffix.
SCHEMAS = {
    path.stem: read_json(path.name)
    for path in sorted(SCHEMA_FOLDER.glob("*.json"))
    if path.name != SKELETON
}


def _ecma_pattern(
    _validator: object, pattern: str, instance: object, _schema: object
) -> Iterator[ValidationError]:
    """Match as JSON Schema's dialect does: `$` is the end, not also before a last newline."""
    if isinstance(instance, str) and not re.search(pattern.replace("$", r"\Z"), instance):
        yield ValidationError("does not match")


FORMATS = FormatChecker(formats=["uuid"])


@FORMATS.checks("email", raises=EmailSyntaxError)
def _is_email(instance: object) -> bool:
    if isinstance(instance, str):
        parse_email(instance)
    return True


_Validator: type[Validator] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _ecma_pattern}
)


def compile_schema(
    schema: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]]
) -> Validator:
    """Return the validator of a schema that may refer to *resources*, by their URIs."""
    registry: Registry[Any] = Registry().with_resources(
        (uri, Resource.from_contents(resource, default_specification=DRAFT202012))
        for uri, resource in resources.items()
    )
    return _Validator(schema, registry=registry, format_checker=FORMATS)


def validator_of(name: str) -> Validator:
    """Return the validator of `schemas/<name>.json`. Raises `KeyError` for a name not there."""
    return _VALIDATORS[name]


_BY_ID = {schema["$id"]: schema for schema in SCHEMAS.values()}
_VALIDATORS = {name: compile_schema(schema, _BY_ID) for name, schema in SCHEMAS.items()}
