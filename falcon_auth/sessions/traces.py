"""What sessions leave behind: audit events, and the mail about a stolen token."""

from __future__ import annotations

from falcon_auth.audit.trail import Trail
from falcon_auth.delivery.mails import Mails
from falcon_auth.models import Effects, Login, Session, User


class SessionTraces:
    """Makes what is written when a session is opened or ended. Safe to call from any thread."""

    def __init__(self, trail: Trail, mails: Mails) -> None:
        self._trail = trail
        self._mails = mails

    def opened(self, session: Session, login: Login) -> Effects:
        """Return what to write in the transaction that opens a session."""
        user_id, methods = login.user.id, " ".join(login.methods)
        return self._trail.effects(
            "login.succeeded",
            actor=user_id,
            subject=user_id,
            session_id=session.id,
            methods=methods,
        )

    def ended(self, session_id: str, user_id: str, reason: str, *, actor: str | None) -> Effects:
        """Return what to write in the transaction that ends a session."""
        return self._trail.effects(
            "session.ended", actor=actor, subject=user_id, session_id=session_id, reason=reason
        )

    def all_ended(self, user_id: str, *, actor: str) -> Effects:
        """Return what to write in the transaction that ends every session of a user."""
        return self._trail.effects("session.ended", actor=actor, subject=user_id, all=True)

    def reused(self, session_id: str, user: User) -> Effects:
        """Return what to write where a spent refresh token ends a session."""
        return self._trail.effects_of_failure(
            "refresh.reused",
            account=user.email_key,
            actor=None,
            subject=user.id,
            messages=self._mails.message("refresh_token_reused", user),
            session_id=session_id,
        )
