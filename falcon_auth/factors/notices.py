"""What the owner of an account is told about their factors."""

from __future__ import annotations

from typing import Literal

from falcon_auth.delivery.mails import Mails
from falcon_auth.models import Effects, User

Topic = Literal["factor_added", "factor_removed", "passkey_cloned"]


class Notices:
    """Makes the effects of a change to somebody's factors."""

    def __init__(self, mails: Mails) -> None:
        self._mails = mails

    def effects(self, topic: Topic, user: User, factor: str) -> Effects:
        """Return what the change writes in its transaction; *factor* is the factor's name."""
        return Effects(messages=self._mails.message(topic, user, factor=factor))
