"""Builds the messages that use cases queue to notify a user by mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from falcon_auth.delivery.topics import TOPICS, TopicName
from falcon_auth.models import Message, User, time_ordered_id

MAX_FACT_LENGTH = 254  # Characters, as in the longest address. Longer facts are cut.

# RFC 5646, as far as browsers send it; anything else gets the default language.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}", re.ASCII)


class LinkTokens(Protocol):
    """Signs the tokens of links in mails."""

    def sign(self, message: Message) -> str:
        """Return the token for *message*, whose topic has a `Link`.

        The same message gives the same token each time, so that a second attempt sends the same
        mail: `iat` is `message.created_at`, `jti` is `message.id`; the user is `message.user_id`;
        `payload` has `to`, `password_version` and `email_version`; `handed_to`, if `sign_link`
        added it. Called from the delivery thread.
        """


class Mails(Protocol):
    """Builds messages. Safe to call from any thread."""

    def message(
        self,
        topic: TopicName,
        user: User,
        *,
        to: str | None = None,
        language: str | None = None,
        **facts: str | None,
    ) -> tuple[Message, ...]:
        """Return the mail to queue with a change (`Effects.messages`); empty if mail is off.

        *to* is for topics whose recipient is not, or not yet, the user's address. *language* is a
        tag such as `de-AT`, for example from `Accept-Language`. *facts* are those of the topic's
        row in `TOPICS`, and `ip` if it is known. Raises `ValueError` for any other fact, and for a
        recipient that is missing or unexpected.
        """


class NoMails:
    """`Mails` of a service that sends no mail."""

    def message(
        self,
        topic: TopicName,  # noqa: ARG002 - the protocol's
        user: User,  # noqa: ARG002 - likewise
        *,
        to: str | None = None,  # noqa: ARG002 - likewise
        language: str | None = None,  # noqa: ARG002 - likewise
        **facts: str | None,  # noqa: ARG002 - likewise
    ) -> tuple[Message, ...]:
        """Return an empty tuple, because no mail is sent."""
        return ()


NO_MAILS = NoMails()


class QueuedMails:
    """`Mails` of a service that sends mail. Messages contain no token: `LinkTokens` signs it later.

    *expect* is called for each message, before the caller has stored it, to wake the delivery
    thread.
    """

    def __init__(self, *, clock: Callable[[], float], expect: Callable[[], None]) -> None:
        self._clock = clock
        self._expect = expect

    def message(
        self,
        topic: TopicName,
        user: User,
        *,
        to: str | None = None,
        language: str | None = None,
        **facts: str | None,
    ) -> tuple[Message, ...]:
        """Build one message as the table of topics describes it."""
        wanted = TOPICS[topic]
        if facts.keys() - {"ip"} != set(wanted.facts):
            raise ValueError(f"{topic} has these facts: {', '.join(wanted.facts) or 'none'}")
        if (to is not None) != (wanted.to == "given"):
            raise ValueError(f"{topic} goes to an address that is {wanted.to}'s")
        now = self._clock()
        message = Message(
            id=time_ordered_id(now),
            channel="mail",
            topic=topic,
            user_id=user.id,
            payload={
                "to": user.email if to is None else to,
                "password_version": user.password_version,
                "email_version": user.email_version,
                "language": language if language and _LANGUAGE.fullmatch(language) else None,
                **{name: _clean(value) for name, value in facts.items()},
            },
            created_at=now,
            due_at=now,
        )
        self._expect()
        return (message,)


def _clean(fact: str | None) -> str | None:
    """Reduce a fact to one line of printable characters, since a user may have written it."""
    if fact is None:
        return None
    return "".join(each if each.isprintable() else " " for each in fact[:MAX_FACT_LENGTH])


def sign_link(
    topic: TopicName,
    user: User,
    tokens: LinkTokens,
    *,
    handed_to: str | None,
    clock: Callable[[], float],
) -> str:
    """Return the token of a link that is handed over instead of mailed.

    *handed_to* is the id of the user who gets it; None stands for whoever runs the service.
    """
    (message,) = QueuedMails(clock=clock, expect=lambda: None).message(topic, user)
    if handed_to is not None:
        message = replace(message, payload={**message.payload, "handed_to": handed_to})
    return tokens.sign(message)
