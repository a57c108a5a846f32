"""JSON by RFC 8259: a parser that is strict where Python's is lenient, and a fast writer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import orjson

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Records may contain password hashes, so they must be written member by member, never as a whole.
_PLAIN_TYPES_ONLY = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def dump_json(value: object, default: Callable[[Any], Any] | None = None) -> bytes:
    """Encode as compact JSON in UTF-8.

    *default* turns what JSON has no type for into something that it has. Raises `TypeError` for
    such a value without one.
    """
    try:
        return orjson.dumps(value, default, _PLAIN_TYPES_ONLY)
    except TypeError:  # A lone surrogate, a number over 64 bits: the standard library takes those.
        return json.dumps(value, default=default, separators=(",", ":")).encode()


def parse_json(data: bytes) -> Any:
    """Parse one JSON text in UTF-8.

    Raises `ValueError` for anything else: another encoding, a byte order mark, NaN and infinities,
    numbers that overflow to them, duplicate names, and nesting that is too deep to follow. The
    message never quotes the input.
    """
    if data.startswith(_BYTE_ORDER_MARK):
        message = "starts with a byte order mark"
        raise ValueError(message)
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except RecursionError:
        message = "is nested too deeply"
        raise ValueError(message) from None


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        message = "has duplicate names"
        raise ValueError(message)
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        message = "has a number that is too large"
        raise ValueError(message)
    return number


def _refuse_constant(_name: str) -> NoReturn:
    message = "has NaN or an infinity"
    raise ValueError(message)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_float=_finite, parse_constant=_refuse_constant
)
