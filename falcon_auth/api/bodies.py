"""Request bodies: read, and held against their schemas.

A breach names the member and the rule, never the value, which may be a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from falcon import Request
from jsonschema import ValidationError

from falcon_auth.api.app import read_json
from falcon_auth.api.schemas import validator_of
from falcon_auth.errors import (
    Breach,
    InvalidBodyError,
    InvalidEmailError,
    UnsupportedMediaTypeError,
)

MEDIA_JSON = "application/json"
VALIDATION_FAILED = InvalidBodyError.code

Check = Callable[[Mapping[str, object]], Iterable[Breach]]


def no_check(_body: Mapping[str, object]) -> Iterable[Breach]:
    """Have nothing against any body."""
    return ()


class BodyReader:
    """Reads the bodies that satisfy one schema, `schemas/<name>.json`."""

    def __init__(self, name: str) -> None:
        self._validator = validator_of(name)  # A misspelt name fails at start-up.

    def read(self, req: Request, check: Check = no_check) -> dict[str, Any]:
        """Return the members of the body.

        *check* adds what a schema cannot say; it must stand members that are missing or of a
        wrong type. Raises `UnsupportedMediaTypeError`, `PayloadTooLargeError`,
        `MalformedJsonError`, or `InvalidBodyError` with every breach at once.
        """
        if media_type(req) != MEDIA_JSON:
            raise UnsupportedMediaTypeError
        return self.check(req, read_json(req), check)

    def check(self, req: Request, body: Any, check: Check = no_check) -> dict[str, Any]:
        """Hold what was read against the schema. Raises `InvalidBodyError`."""
        req.context.body = body  # What must not show up in a traceback's text.
        breaches = self._breaches(body, check)
        if breaches:
            raise InvalidBodyError(breaches)
        return cast("dict[str, Any]", body)  # The schema says so.

    def _breaches(self, body: Any, check: Check) -> list[Breach]:
        found = {
            (breach.pointer, breach.code): breach
            for error in self._validator.iter_errors(body)
            for breach in _describe(error)
        }
        if isinstance(body, dict):
            # A policy says more than the schema's word on the same: the latter goes.
            found |= {(breach.pointer, breach.code): breach for breach in check(body)}
            pointers = {pointer for pointer, _ in found}
            for breach in _ill_formed(body):
                if breach.pointer not in pointers:
                    found[breach.pointer, breach.code] = breach
        return list(found.values())


def media_type(req: Request) -> str:
    """Return the declared type of the body, without parameters."""
    return (req.content_type or "").partition(";")[0].strip().lower()


def _ill_formed(body: Mapping[str, object]) -> Iterator[Breach]:
    for name, value in body.items():
        if isinstance(value, str) and not _is_unicode(value):
            yield Breach(_pointer(name), VALIDATION_FAILED, "Must not have a lone surrogate.")


def _is_unicode(text: str) -> bool:
    """Return whether a text can be written in UTF-8: JSON's escapes can smuggle surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _pointer(*path: object) -> str:
    """Write a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in path)


def _describe(error: ValidationError) -> Iterator[Breach]:
    """Turn a validation error into breaches; of the value it says nothing."""
    path, schema = list(error.absolute_path), error.schema
    assert isinstance(schema, dict)  # noqa: S101 - `false` as a schema has no keyword to break
    if error.validator == "required":
        for name in schema["required"]:
            if name not in error.instance:  # type: ignore[operator]
                yield Breach(_pointer(*path, name), VALIDATION_FAILED, "Is missing.")
    elif error.validator == "additionalProperties":
        for name in error.instance:  # type: ignore[union-attr]
            if name not in schema["properties"]:
                yield Breach(_pointer(*path, name), VALIDATION_FAILED, "Is not expected here.")
    elif error.validator == "type":
        kinds = error.validator_value
        kinds = kinds if isinstance(kinds, list) else [kinds]
        detail = f"Must be of type {' or '.join(kinds)}."
        yield Breach(_pointer(*path), VALIDATION_FAILED, detail)
    else:
        code = schema.get("x-code", VALIDATION_FAILED)
        yield Breach(_pointer(*path), code, _RULES[str(error.validator)](error.validator_value))


_RULES: dict[str, Callable[[Any], str]] = {
    "minLength": "Must have {} characters or more.".format,
    "maxLength": "May have {} characters at most.".format,
    "pattern": "Must match {}".format,
    "format": lambda _: InvalidEmailError.default_detail,
}
