"""Audit events of changed factors, and the mails that tell users about them."""

from __future__ import annotations

from typing import Literal

from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import Mails
from falcon_auth.models import Effects, FactorKind, Message, User
from falcon_auth.throttle.limits import Limit, Limiter

HOUR = 3600
# An attacker can begin a new log-in before each challenge is void, so they are not what is counted.
UNREMARKABLE_GUESSES = Limit("factor-guesses", 9, HOUR)
GUESSING_NOTICES = Limit("factor-guessing-notice", 1, HOUR)


class Notices:
    """Makes what is written about somebody's factors. Safe to call from any thread.

    *factor* is a factor's name, which goes into the mail and not into the audit trail.
    """

    def __init__(self, mails: Mails, limiter: Limiter, trail: Trail) -> None:
        self._trail = trail
        self._mails = mails
        self._limiter = limiter

    def added(self, user: User, factor: str, kind: FactorKind) -> Effects:
        """Return what to write in the transaction in which a user adds a factor."""
        mail = self._mails.message("factor_added", user, factor=factor)
        return self._effects("factor.added", user, user.id, mail, kind)

    def removed(self, user: User, factor: str, kind: FactorKind) -> Effects:
        """Return what to write in the transaction in which a user removes a factor."""
        mail = self._mails.message("factor_removed", user, factor=factor)
        return self._effects("factor.removed", user, user.id, mail, kind)

    def cloned(self, user: User, factor: str) -> tuple[Message, ...]:
        """Return the mail about a passkey that seems to have been copied."""
        return self._mails.message("passkey_cloned", user, factor=factor)

    def count_wrong_proof(self, user: User) -> tuple[Message, ...]:
        """Count a wrong code or passkey; from the tenth in an hour on, return a mail to the owner.

        The owner gets one such mail an hour at most: somebody has their password, and guesses.
        """
        if self._limiter.allows(UNREMARKABLE_GUESSES, user.id):
            return ()
        if not self._limiter.allows(GUESSING_NOTICES, user.id):
            return ()
        return self._mails.message("factor_guessed", user)

    def _effects(
        self,
        event: Literal["factor.added", "factor.removed"],
        user: User,
        actor: str,
        mail: tuple[Message, ...],
        kind: str,
    ) -> Effects:
        return self._trail.effects(event, actor=actor, subject=user.id, messages=mail, kind=kind)
