"""The mails of a service under test, as their recipients see them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falcon_auth.service import Service

_LINK = re.compile(r"(http\S+?)(/account/\w+)#token=(\S+)")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was sent; its text is that of the plain part."""

    to: str
    subject: str
    text: str

    @property
    def page(self) -> str:
        """The path of the page that the link leads to. Raises `ValueError` without a link."""
        return self._link()[2]

    @property
    def token(self) -> str:
        """The token of the link. Raises `ValueError` without a link."""
        return self._link()[3]

    def _link(self) -> re.Match[str]:
        link = _LINK.search(self.text)
        if link is None:
            raise ValueError(f"{self.subject!r} has no link")
        return link


class Mailbox:
    """Reads the mails that a service writes into the folder of its MAIL_URL, each of them once."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self._known: set[Path] = set()

    def read(self) -> list[Mail]:
        """Return the mails since the last call, after everything that is due was delivered."""
        delivery = self._service.delivery
        if delivery is None:
            return []
        while self._service.store.outbox.list_waiting(limit=1):  # Its own thread delivers too.
            delivery.dispatcher.deliver_due()
        new = [path for path in sorted(self._folder.glob("*.eml")) if path not in self._known]
        self._known.update(new)
        return [_parse(path.read_bytes()) for path in new]

    def only(self) -> Mail:
        """Return the only mail since the last call. Raises `ValueError` unless there is one."""
        (mail,) = self.read()
        return mail

    def recipients(self) -> list[str]:
        """Return the recipients of the mails since the last call."""
        return [mail.to for mail in self.read()]


def _parse(data: bytes) -> Mail:
    message = message_from_bytes(data, policy=policy.default)
    plain = message.get_body(("plain",))
    assert plain is not None  # noqa: S101 - every mail of the service has a text
    return Mail(message["To"].addresses[0].addr_spec, message["Subject"], plain.get_content())
