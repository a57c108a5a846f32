"""E-mail addresses: which are accepted, and when two of them are the same one."""

from __future__ import annotations

import unicodedata

from email_validator import EmailNotValidError, validate_email

MAX_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3 less the angle brackets (RFC 3696, erratum 1690).


class EmailSyntaxError(ValueError):
    """Not an address. The message never holds the text that was refused."""


def parse_email(text: str) -> str:
    """Return *text* with its domain in lower case; internationalised addresses are allowed.

    Raises `EmailSyntaxError`, also for names that are reserved (RFC 6761: `.test`,
    `.local`, …). No DNS look-up is made.
    """
    if len(text) > MAX_EMAIL_LENGTH:  # Before anything that takes time with length.
        raise EmailSyntaxError
    try:
        parsed = validate_email(text, check_deliverability=False, strict=True)
    except (EmailNotValidError, UnicodeError):
        raise EmailSyntaxError from None  # The cause's message quotes the address.
    return f"{parsed.local_part}@{parsed.domain.lower()}"


def email_key(email: str) -> str:
    """Return what an address is compared by: NFKC, case-folded, NFKC again.

    Folding can undo the normal form, so the second pass makes the key stable
    (Unicode, section 3.13, D147 without the ignorable characters).
    """
    folded = unicodedata.normalize("NFKC", email).casefold()
    return unicodedata.normalize("NFKC", folded)
