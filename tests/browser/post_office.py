"""The mails of a service, as a real SMTP server received them, and how a user has them sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from processes import eventually

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

    def __init__(self, client, inbox):
        self.client, self.inbox = client, inbox

    @property
    def sent(self):
        """The mails with a link, in order, once everything that was asked for has arrived."""
        outbox = self.client.app.service.store.outbox
        assert eventually(lambda: not outbox.list_waiting(limit=1))
        texts = [(mail, mail.get_body(["plain"]).get_content()) for mail in self.inbox.mails]
        return [
            Mail(*link.groups(), to=mail["To"].addresses[0].addr_spec)
            for mail, text in texts
            if (link := _LINK.search(text))
        ]

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
