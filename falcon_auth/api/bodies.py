"""Parses request bodies and validates them against their schemas.

A violation names the member and the rule, never the value, which may be a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from falcon import Request

from falcon_auth.api.app import read_json
from falcon_auth.api.schemas import SCHEMAS
from falcon_auth.errors import (
    InvalidBodyError,
    UnsupportedMediaTypeError,
    Violation,
)

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

MEDIA_JSON = "application/json"
VALIDATION_FAILED = InvalidBodyError.code


@dataclass(frozen=True, slots=True)
class Body:
    """A parsed body: its members, and the violations of its schema."""

    members: Mapping[str, Any] = field(repr=False)  # Empty if the body is not an object.
    violations: Sequence[Violation]

    def text(self, name: str) -> str | None:
        """Return a member that is a string; None if it is missing or of another type."""
        value = self.members.get(name)
        return value if isinstance(value, str) else None

    def refusal(self, broken_rules: Iterable[Violation] = ()) -> InvalidBodyError:
        """Return the error that lists all violations: the schema's, and those of a use case.

        If both a use case's rule and the schema report the same member, only the rule is listed,
        because it is more specific. Rules come first, so that unknown members cannot push them off
        the list.
        """
        rules = list(broken_rules)
        pointers = {violation.pointer for violation in rules}
        kept = [each for each in self.violations if each.pointer not in pointers]
        return InvalidBodyError([*rules, *kept])


class BodyReader:
    """Reads and validates bodies by one schema, `schemas/<name>.json`."""

    def __init__(self, name: str) -> None:
        SCHEMAS[name]  # A misspelt name fails at start-up.
        self._name = name

    @cached_property
    def _validator(self) -> Validator:
        # Imported with the first body, so that the start need not load jsonschema.
        from falcon_auth.api.validators import validator_of  # noqa: PLC0415

        return validator_of(self._name)

    def read(self, req: Request) -> dict[str, Any]:
        """Return the members of a body, for a use case without its own rules for them.

        Raises `UnsupportedMediaTypeError`, `PayloadTooLargeError`, `MalformedJsonError`, or
        `InvalidBodyError` with every violation of the schema.
        """
        return self._members(self.examine(req))

    def examine(self, req: Request) -> Body:
        """Return a parsed body with the violations of its schema.

        If there are any, the caller gets the violations of its use case's rules and raises
        `Body.refusal` with them; otherwise the use case raises them itself. Raises
        `UnsupportedMediaTypeError`, `PayloadTooLargeError`, `MalformedJsonError`.
        """
        if media_type(req) != MEDIA_JSON:
            raise UnsupportedMediaTypeError
        return self._examine(req, read_json(req))

    def check(self, req: Request, body: Any) -> dict[str, Any]:
        """Validate a parsed body against the schema. Raises `InvalidBodyError`."""
        return self._members(self._examine(req, body))

    def _members(self, body: Body) -> dict[str, Any]:
        if body.violations:
            raise body.refusal()
        return dict(body.members)

    def _examine(self, req: Request, body: Any) -> Body:
        req.context.body = body  # These values must not appear in a logged traceback.
        members = body if isinstance(body, dict) else {}
        found = {
            (violation.pointer, violation.code): violation
            for error in self._validator.iter_errors(body)
            for violation in _describe(error)
        }
        pointers = {pointer for pointer, _ in found}
        ill_formed = [each for each in _ill_formed(members) if each.pointer not in pointers]
        return Body(members, [*found.values(), *ill_formed])


def media_type(req: Request) -> str:
    """Return the media type in Content-Type, without parameters."""
    return (req.content_type or "").partition(";")[0].strip().lower()


def _ill_formed(body: Mapping[str, object]) -> Iterator[Violation]:
    for name, value in body.items():
        if isinstance(value, str) and not _is_unicode(value):
            yield Violation(pointer_to(name), VALIDATION_FAILED, "Must not have a lone surrogate.")


def _is_unicode(text: str) -> bool:
    """Return whether a text can be encoded in UTF-8: JSON escapes may contain lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def pointer_to(*path: object) -> str:
    """Write a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in path)


def _describe(error: ValidationError) -> Iterator[Violation]:
    """Turn a validation error into violations, without the offending value."""
    path, schema = list(error.absolute_path), error.schema
    assert isinstance(schema, dict)  # noqa: S101 - `false` as a schema has no keyword to break
    if error.validator == "required":
        for name in schema["required"]:
            if name not in error.instance:  # type: ignore[operator]
                yield Violation(pointer_to(*path, name), VALIDATION_FAILED, "Is missing.")
    elif error.validator == "additionalProperties":
        for name in error.instance:  # type: ignore[union-attr]
            if name not in schema["properties"]:
                yield Violation(
                    pointer_to(*path, name), VALIDATION_FAILED, "Is not a known member."
                )
    elif error.validator == "type":
        kinds = error.validator_value
        kinds = kinds if isinstance(kinds, list) else [kinds]
        detail = f"Must be of type {' or '.join(kinds)}."
        yield Violation(pointer_to(*path), VALIDATION_FAILED, detail)
    else:
        code = schema.get("x-code", VALIDATION_FAILED)
        yield Violation(
            pointer_to(*path), code, _RULES[str(error.validator)](error.validator_value)
        )


_RULES: dict[str, Callable[[Any], str]] = {
    "minLength": "Must have {} characters or more.".format,
    "maxLength": "May have {} characters at most.".format,
    "pattern": "Must match {}".format,
    "const": 'Must be "{}".'.format,
    "minimum": "Must be {} or more.".format,
    "maximum": "Must be {} or less.".format,
    "maxItems": "May have {} items at most.".format,
    "minProperties": "Must have {} members or more.".format,
    "maxProperties": "May have {} members at most.".format,
}
