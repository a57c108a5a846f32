"""Forms, for the two endpoints whose RFCs ask for them (RFC 7662, 2.1; RFC 7009, 2.1)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from falcon import Request

from falcon_auth.api.app import read_body
from falcon_auth.api.bodies import VALIDATION_FAILED, BodyReader, media_type
from falcon_auth.api.schemas import SCHEMAS
from falcon_auth.errors import Breach, InvalidBodyError, UnsupportedMediaTypeError

MEDIA_FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 16  # The RFCs name two.
# What a form consists of, once encoded (URL standard, 5.2); Python's parser takes much more.
_FORM = re.compile(rb"(?:[A-Za-z0-9*._~+&=-]|%[0-9A-Fa-f]{2})*")


class FormReader(BodyReader):
    """Reads the forms that satisfy one schema, `schemas/<name>.json`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._known = frozenset(SCHEMAS[name]["properties"])

    def read_form(self, req: Request) -> dict[str, Any]:
        """Return the parameters that the schema knows; others are ignored, as are empty ones.

        (RFC 6749, 3.1.) Raises `UnsupportedMediaTypeError`, `PayloadTooLargeError`, and
        `InvalidBodyError`, also where a parameter comes twice.
        """
        if media_type(req) != MEDIA_FORM:
            raise UnsupportedMediaTypeError(f"Send a form: Content-Type: {MEDIA_FORM}.")
        parameters: dict[str, str] = {}
        for name, value in _parse(read_body(req)):
            if name in parameters:
                raise InvalidBodyError([Breach(f"/{name}", VALIDATION_FAILED, "Is there twice.")])
            if name in self._known:
                parameters[name] = value
        return self.check(req, {name: value for name, value in parameters.items() if value})


def _parse(data: bytes) -> list[tuple[str, str]]:
    try:
        if _FORM.fullmatch(data) is None:
            raise ValueError  # noqa: TRY301 - the same end as what the parser raises
        return parse_qsl(
            data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        detail = "Must be a form: name=value pairs, joined by &, of percent-encoded UTF-8."
        raise InvalidBodyError([Breach("", VALIDATION_FAILED, detail)]) from None
