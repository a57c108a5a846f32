"""Authenticator apps: time-based one-time passwords (RFC 6238), SHA-1, six digits, 30 seconds.

Every app supports these parameters, and some ignore any others. pyotp and segno are imported at
their first use.
"""

from __future__ import annotations

import hmac
import re

STEP_SECONDS = 30
DRIFT_STEPS = 1  # In either direction; RFC 6238, 5.2, recommends at most one.
_CODE = re.compile("[0-9]{6}", re.ASCII)
_SPACES = str.maketrans("", "", " ")


def make_secret() -> str:
    """Return a new secret: 160 bits in base32 (RFC 4226, 4, R6)."""
    import pyotp  # noqa: PLC0415 - not at every start

    return pyotp.random_base32()


def parse_code(text: str) -> str | None:
    """Return the six digits of a code, which may contain spaces; None if it is not a code."""
    digits = text.translate(_SPACES)
    return digits if _CODE.fullmatch(digits) else None


def find_step(secret: str, code: str, *, now: float, after: int) -> int | None:
    """Return the time step after *after*, within the drift, whose code is *code*; else None.

    The caller stores that step, which spends it and all earlier ones. The work is the same
    whichever step matches.
    """
    import pyotp  # noqa: PLC0415 - not at every start

    totp = pyotp.TOTP(secret)
    current = int(now // STEP_SECONDS)
    found = None
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        is_right = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
        if is_right and step > after:
            found = step
    return found


def make_uri(secret: str, *, account: str, issuer: str) -> str:
    """Return the `otpauth:` URI for an app, which shows both names."""
    import pyotp  # noqa: PLC0415 - not at every start

    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def draw_qr(uri: str) -> str:
    """Return the URI as a QR code: an SVG in a `data:` URI, readable in dark mode too."""
    import segno  # noqa: PLC0415 - not at every start

    code = segno.make_qr(uri)
    drawn: str = code.svg_data_uri(
        omitsize=True, light="#fff", encode_minimal=True, svgclass=None, lineclass=None
    )
    return drawn
