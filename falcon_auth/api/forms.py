"""Form bodies, for the two endpoints whose RFCs require them (RFC 7662, 2.1; RFC 7009, 2.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from falcon import Request

from falcon_auth.api.app import read_body
from falcon_auth.api.bodies import VALIDATION_FAILED, BodyReader, media_type
from falcon_auth.api.schemas import SCHEMAS
from falcon_auth.errors import InvalidBodyError, UnsupportedMediaTypeError, Violation

MEDIA_FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 16  # The RFCs name two.
# The characters of an encoded form (URL standard, 5.2); Python's parser accepts many more.
_FORM = re.compile(rb"(?:[A-Za-z0-9*._~+&=-]|%[0-9A-Fa-f]{2})*")


class FormReader(BodyReader):
    """Reads the forms that satisfy one schema, `schemas/<name>.json`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._known = frozenset(SCHEMAS[name]["properties"])

    def read_form(self, req: Request) -> dict[str, Any]:
        """Return the parameters in the schema; unknown and empty ones are ignored.

        Both are required by RFC 6749, 3.1. Raises `UnsupportedMediaTypeError`,
        `PayloadTooLargeError`, and `InvalidBodyError`, also for a repeated parameter.
        """
        return self.check_parameters(req, self.read_parameters(req))

    def read_parameters(self, req: Request) -> dict[str, str]:
        """Return the parameters that the schema knows, without validating them.

        Raises as `read_form`.
        """
        if media_type(req) != MEDIA_FORM:
            raise UnsupportedMediaTypeError(f"Send a form: Content-Type: {MEDIA_FORM}.")
        parameters: dict[str, str] = {}
        for name, value in _parse(read_body(req)):
            if name in parameters:
                raise InvalidBodyError(
                    [Violation(f"/{name}", VALIDATION_FAILED, "Is given twice.")]
                )
            if name in self._known:
                parameters[name] = value
        return parameters

    def check_parameters(self, req: Request, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return those parameters that are not empty. Raises `InvalidBodyError`."""
        return self.check(req, {name: value for name, value in parameters.items() if value})


def _parse(data: bytes) -> list[tuple[str, str]]:
    try:
        if _FORM.fullmatch(data) is None:
            raise ValueError  # noqa: TRY301 - handled like the parser's own
        return parse_qsl(
            data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        detail = "Must be a form: name=value pairs, joined by &, of percent-encoded UTF-8."
        raise InvalidBodyError([Violation("", VALIDATION_FAILED, detail)]) from None
