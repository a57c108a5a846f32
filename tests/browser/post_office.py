"""The mails of a service, and how a user has them sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from falcon_auth.accounts.email_addresses import parse_email

API = "/api/v1/auth/"
NEW_EMAIL = "countess@example.com"
_LINK = re.compile(r"(http\S+/account/)(\w+)#token=(\S+)")


@dataclass(frozen=True)
class Mail:
    """What the link in a mail consists of, and to whom the mail went."""

    base: str
    page: str
    token: str
    to: str

    @property
    def link(self):
        return f"{self.base}{self.page}#token={self.token}"


class PostOffice:
    """Has mails sent, and shows what came."""

    def __init__(self, client, mailbox):
        self.client, self.mailbox, self._sent = client, mailbox, []

    @property
    def sent(self):
        """The mails with a link, once all that were asked for have arrived.

        They are in order, but for those that came between two looks.
        """
        self._sent += [
            Mail(*link.groups(), to=mail.to)
            for mail in self.mailbox.read()
            if (link := _LINK.search(mail.text))
        ]
        return self._sent

    def send(self, page, email):
        """Have the mail sent to a user whose link opens *page*; return it."""
        {
            "verify": self._ask_for_verification,
            "reset": self._forget_password,
            "email": self._change_email,
            "invitation": self._invite,
        }[page](email)
        return self.sent[-1]

    def user(self, email):
        return self.client.app.service.store.users.find_by_email(parse_email(email).key)

    def _ask_for_verification(self, email):
        self.client.as_user("POST", f"{API}email/verification", self.client.login(email))

    def _forget_password(self, email):
        self.client.post(f"{API}password/forgot", {"email": email})

    def _change_email(self, email):
        body = {"new_email": NEW_EMAIL}
        self.client.as_user("POST", f"{API}email/change", self.client.login(email), json=body)

    def _invite(self, email):
        service = self.client.app.service
        service.store.outbox.add(service.mails.message("invitation", self.user(email)))
