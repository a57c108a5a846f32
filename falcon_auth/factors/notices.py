"""Notices to users about changes of their factors."""

from __future__ import annotations

from typing import Literal

from falcon_auth.delivery.mails import Mails
from falcon_auth.models import Effects, Message, User
from falcon_auth.throttle.limits import Limit, Limiter

HOUR = 3600
# An attacker can begin a new log-in before each challenge is void, so they are not what is counted.
UNREMARKABLE_GUESSES = Limit("factor-guesses", 9, HOUR)
GUESSING_NOTICES = Limit("factor-guessing-notice", 1, HOUR)

Topic = Literal["factor_added", "factor_removed", "passkey_cloned"]


class Notices:
    """Makes the mails about somebody's factors. Safe to call from any thread."""

    def __init__(self, mails: Mails, limiter: Limiter) -> None:
        self._mails = mails
        self._limiter = limiter

    def effects(self, topic: Topic, user: User, factor: str) -> Effects:
        """Return the mail to write in the change's transaction; *factor* is the factor's name."""
        return Effects(messages=self._mails.message(topic, user, factor=factor))

    def count_wrong_proof(self, user: User) -> tuple[Message, ...]:
        """Count a wrong code or passkey; from the tenth in an hour on, return a mail to the owner.

        The owner gets one such mail an hour at most: somebody has their password, and guesses.
        """
        if self._limiter.allows(UNREMARKABLE_GUESSES, user.id):
            return ()
        if not self._limiter.allows(GUESSING_NOTICES, user.id):
            return ()
        return self._mails.message("factor_guessed", user)
