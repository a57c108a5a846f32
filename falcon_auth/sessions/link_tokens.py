"""The tokens in the links of mails: one token type, and so one key, for each purpose."""

from __future__ import annotations

from falcon_auth.delivery.topics import TOPICS, find_topic
from falcon_auth.models import Message
from falcon_auth.sessions.signed_tokens import Issuer, SignedTokens


class PurposeTokens:
    """`LinkTokens` that name their user, and the password and address that they are bound to.

    `uid` is the user's id; `pwv` and `emv` are the versions of password and address when the mail
    was requested; `to` is the recipient's address; `sid`, for some topics, is the session that made
    the request. `handed_to` is the user who was given the token, where no mail delivers it.
    """

    def __init__(self, issuer: Issuer) -> None:
        links = {topic.link for topic in TOPICS.values() if topic.link is not None}
        self._signers = {link.token_type: SignedTokens(issuer, link.token_type) for link in links}

    def sign(self, message: Message) -> str:
        """Return the token of a message; the same message always gives the same token."""
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
        if "handed_to" in payload:
            claims["handed_to"] = payload["handed_to"]
        return (
            self._signers[link.token_type]
            .sign(
                claims,
                lifetime_seconds=link.lifetime_seconds,
                issued_at=int(message.created_at),
            )
            .text
        )
