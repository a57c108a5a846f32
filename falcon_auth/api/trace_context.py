"""The trace id of a request (W3C Trace Context, level 1, 3.2)."""

from __future__ import annotations

import re

# Version, trace, parent and flags, in lower case. Neither id is all zeros, and ff is no version.
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.ASCII
)


def parse_traceparent(header: str) -> str | None:
    """Return the trace id in a `traceparent` header, 32 hexadecimal digits; None if invalid.

    Only versions after 00 may have further fields after the flags. A header that was sent twice
    arrives as a list, and is ignored.
    """
    match = _TRACEPARENT.fullmatch(header)
    if match is None or (match[1] == "00" and match[3] is not None):
        return None
    return match[2]
