"""The tokens that links in mails carry: one type, and so one key, for each purpose."""

from __future__ import annotations

from falcon_auth.delivery.topics import TOPICS, find_topic
from falcon_auth.models import Message
from falcon_auth.sessions.signed_tokens import Issuer, SignedTokens


class PurposeTokens:
    """`LinkTokens` that say whose they are, and which password and address they are bound to.

    `uid` is the user's id, `pwv` and `emv` are the versions of password and address when the mail
    was asked for, `to` is the address that it goes to; `sid` is the session that asked, where that
    matters.
    """

    def __init__(self, issuer: Issuer) -> None:
        links = {topic.link for topic in TOPICS.values() if topic.link is not None}
        self._signers = {link.token_type: SignedTokens(issuer, link.token_type) for link in links}

    def sign(self, message: Message) -> str:
        """Sign by what the message says, and nothing else: each time the same."""
        topic = find_topic(message.topic)
        if topic is None or topic.link is None:
            raise ValueError(f"{message.topic} has no link")
        link = topic.link
        payload = message.payload
        claims = {
            "jti": message.id,
            "uid": message.user_id,
            "pwv": payload["password_version"],
            "emv": payload["email_version"],
            "to": payload["to"],
        }
        if "session_id" in payload:
            claims["sid"] = payload["session_id"]
        return (
            self._signers[link.token_type]
            .sign(
                claims,
                lifetime_seconds=link.lifetime_seconds,
                issued_at=int(message.created_at),
            )
            .text
        )
