"""User names: the pattern of `schemas/register.json`, for use cases without a schema."""

from __future__ import annotations

import re

_WELL_FORMED = re.compile(r"[A-Za-z0-9_]{3,50}")


def is_username(text: str) -> bool:
    """Whether *text* may be a user name; `schemas/register.json` says the same."""
    return _WELL_FORMED.fullmatch(text) is not None
