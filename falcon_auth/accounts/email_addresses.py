"""E-mail addresses: syntax, and the key by which two of them are compared."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

MAX_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3 less the angle brackets (RFC 3696, erratum 1690).


class EmailSyntaxError(ValueError):
    """A text is not an e-mail address. The message never contains the text."""


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """A parsed address; pass it on instead of its text, so that it is parsed only once."""

    text: str  # As written, its domain in lower case.
    key: str = field(repr=False)  # What it is compared by, see `email_key`.


def parse_email(text: str) -> EmailAddress:
    """Return the address in *text*; internationalised ones are allowed.

    Raises `EmailSyntaxError`, also for names that are reserved (RFC 6761: `.test`,
    `.local`, …). No DNS look-up is made.
    """
    if len(text) > MAX_EMAIL_LENGTH:  # Before anything that takes time with length.
        raise EmailSyntaxError
    # Imported with the first address: compiling its regular expressions takes 20 ms, which would
    # delay every start and every command that handles no address.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        parsed = validate_email(text, check_deliverability=False, strict=True)
    except (EmailNotValidError, UnicodeError):
        raise EmailSyntaxError from None  # The cause's message quotes the address.
    email = f"{parsed.local_part}@{parsed.domain.lower()}"
    return EmailAddress(email, email_key(email))


def email_key(email: str) -> str:
    """Return the key by which addresses are compared: NFKC, case-folded, NFKC again.

    Folding can undo the normal form, so the second pass makes the key stable
    (Unicode, section 3.13, D147 without the ignorable characters).
    """
    folded = unicodedata.normalize("NFKC", email).casefold()
    return unicodedata.normalize("NFKC", folded)
