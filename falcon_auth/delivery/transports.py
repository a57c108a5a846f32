"""The interface of mail transports, and those without a server: a folder and the console."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol

from falcon_auth.delivery.channel import ServerAwayError
from falcon_auth.delivery.mime import ComposedMail

OWNER_ONLY = 0o600  # The link in a mail gives access to the account.


class Transport(Protocol):
    """Submits mails, one at a time, on one thread."""

    def send(self, mail: ComposedMail) -> None:
        """Submit one mail. Raises what `Channel.deliver` raises."""

    def rest(self) -> None:
        """Close idle connections. Never raises."""


class FolderTransport:
    """Writes each mail as `<id>.eml` into a folder; readers never see a partial file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, mail: ComposedMail) -> None:
        """Write a hidden file and rename it; a mail that is sent again replaces its file."""
        hidden = self._folder / f".{mail.id}.tmp"
        try:
            with open(hidden, "wb", opener=_open_for_owner) as file:
                file.write(mail.content)
                file.flush()
                os.fsync(file.fileno())
            hidden.replace(self._folder / f"{mail.id}.eml")
        except OSError as error:
            raise ServerAwayError(f"folder: {error.strerror}") from None

    def rest(self) -> None:
        """Nothing is open."""


class ConsoleTransport:
    """Prints the text part, so that a developer can open the link; for development only."""

    def send(self, mail: ComposedMail) -> None:
        """Print the mail to standard error: standard output carries the log."""
        shown = "".join(
            each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in mail.text
        )
        sys.stderr.write(f"\n--- A mail, which would be sent with MAIL_URL:\n{shown}\n---\n")
        sys.stderr.flush()

    def rest(self) -> None:
        """Nothing is open."""


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, OWNER_ONLY)
