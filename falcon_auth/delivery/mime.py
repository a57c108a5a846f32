"""Builds the bytes of a MIME message from a rendered mail."""

from __future__ import annotations

from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from falcon_auth.delivery.channel import PermanentDeliveryError
from falcon_auth.models import Message

# By default headers beyond 78 characters become encoded words and break; 998 are allowed.
_POLICY = policy.SMTP.clone(max_line_length=998)
_POLICY_UTF8 = policy.SMTPUTF8.clone(max_line_length=998)


class Rendered(NamedTuple):
    """The content of a mail. Without HTML it is text only."""

    subject: str
    text: str
    html: str | None


class ComposedMail(NamedTuple):
    """A mail ready for submission: its envelope and its bytes."""

    id: str
    sender: str
    recipient: str
    needs_utf8: bool  # SMTPUTF8 (RFC 6531): the part before the @ is not ASCII.
    text: str  # The headers and the text part in readable form, for transports that print them.
    content: bytes


def compose(message: Message, rendered: Rendered, *, sender: Address, host: str) -> ComposedMail:
    """Build a mail; the same message always gives the same bytes.

    Raises `PermanentDeliveryError` if the recipient is not an address.
    """
    recipient = _envelope_address(str(message.payload.get("to")))
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = sender
    # Built from its parts: parsed from one string, the local part could only be ASCII.
    mail["To"] = Address(username=recipient.partition("@")[0], domain=recipient.partition("@")[2])
    mail["Subject"] = rendered.subject
    mail["Date"] = datetime.fromtimestamp(message.created_at, UTC)
    mail["Message-ID"] = f"<{message.id}@{host}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents out-of-office replies.
    mail.set_content(rendered.text, cte="quoted-printable")
    if rendered.html is not None:
        mail.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
        mail.set_boundary(f"=_{message.id}")  # Never in quoted-printable (RFC 2045, 6.7).
    needs_utf8 = not recipient.isascii()
    return ComposedMail(
        id=message.id,
        sender=sender.addr_spec,
        recipient=recipient,
        needs_utf8=needs_utf8,
        text=f"To: {recipient}\nSubject: {rendered.subject}\n\n{rendered.text}",
        content=mail.as_bytes(policy=_POLICY_UTF8 if needs_utf8 else _POLICY),
    )


def _envelope_address(text: str) -> str:
    """Parse *text*, which must be a single address; its domain becomes A-labels (RFC 5890)."""
    try:
        parsed = validate_email(text, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError):
        raise PermanentDeliveryError("recipient is not an address") from None
    return f"{parsed.local_part}@{parsed.ascii_domain}"
