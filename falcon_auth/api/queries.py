"""Reads query strings and validates them against their schemas, as bodies are."""

from __future__ import annotations

import re
from typing import Any

from falcon import Request

from falcon_auth.api.bodies import VALIDATION_FAILED, BodyReader, pointer_to
from falcon_auth.api.schemas import SCHEMAS
from falcon_auth.errors import InvalidBodyError, Violation

_INTEGER = re.compile("[0-9]{1,9}", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


class QueryReader(BodyReader):
    """Reads the query strings that satisfy one schema, `schemas/<name>.json`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._properties = SCHEMAS[name]["properties"]

    def read_query(self, req: Request) -> dict[str, Any]:
        """Return the parameters, with the defaults of those that are left out.

        Raises `InvalidBodyError`, also for a parameter that is unknown or given twice: a misspelt
        filter would have everything listed.
        """
        given = req.params
        twice = [name for name, value in given.items() if isinstance(value, list)]
        if twice:
            raise InvalidBodyError(
                [
                    Violation(pointer_to(name), VALIDATION_FAILED, "Is given twice.")
                    for name in twice
                ]
            )
        defaults = {
            name: schema["default"]
            for name, schema in self._properties.items()
            if "default" in schema
        }
        values = {name: self._value_of(name, str(text)) for name, text in given.items()}
        return defaults | self.check(req, values)

    def _value_of(self, name: str, text: str) -> object:
        """Return a parameter as its schema has it; a text that is not like that stays a text."""
        kind = self._properties.get(name, {}).get("type")
        if kind == "integer" and _INTEGER.fullmatch(text):
            return int(text)
        return _BOOLEANS.get(text, text) if kind == "boolean" else text
