"""Compiled JSON Schema validators, each compiled at its first use.

Only this module loads jsonschema, which would take a tenth of the start-up time: import it where
something is validated, not at start-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from falcon_auth.api.schemas import SCHEMAS


def _ecma_pattern(
    _validator: object, pattern: str, instance: object, _schema: object
) -> Iterator[ValidationError]:
    """Match as in ECMA-262: `$` matches only at the end, not also before a final newline."""
    if isinstance(instance, str) and not re.search(pattern.replace("$", r"\Z"), instance):
        yield ValidationError("does not match")


# `email` is not among them: use cases parse addresses, once.
FORMATS = FormatChecker(formats=["uuid"])

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


@cache
def validator_of(name: str) -> Validator:
    """Return the validator of `schemas/<name>.json`. Raises `KeyError` for a name not there."""
    return compile_schema(SCHEMAS[name], _BY_ID)


_BY_ID = {schema["$id"]: schema for schema in SCHEMAS.values()}
