"""The catalogue of mails: the recipient, the link and the facts of each."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

TopicName = Literal[
    "verification",
    "reset",
    "registration_attempt",
    "username_taken",
    "email_change",
    "email_change_attempt",
    "email_change_notice",
    "email_changed",
    "invitation",
    "password_changed",
    "factor_added",
    "factor_removed",
    "factor_guessed",
    "passkey_cloned",
    "refresh_token_reused",
]
TOPIC_NAMES: tuple[TopicName, ...] = get_args(TopicName)

HOUR = 3600


class Link(NamedTuple):
    """A link to one of the account pages, with a token for one purpose in its fragment."""

    page: str
    token_type: str
    lifetime_seconds: int  # From the moment the message was queued.


class Topic(NamedTuple):
    """The fixed properties of a kind of mail.

    *to* is the recipient: `user`, at the address that the user has when the mail is queued, or
    `given`, an address that the caller passes. *facts* are the values that the caller passes.
    """

    to: Literal["user", "given"] = "user"
    link: Link | None = None
    facts: tuple[str, ...] = ()


VERIFY = Link("/account/verify", "email-verification", 24 * HOUR)
RESET = Link("/account/reset", "password-reset", HOUR)
CHANGE = Link("/account/email", "email-change", HOUR)
INVITATION = Link("/account/invitation", "invitation", 7 * 24 * HOUR)

TOPICS: dict[TopicName, Topic] = {
    "verification": Topic(link=VERIFY),
    "reset": Topic(link=RESET),
    # Somebody tried to register with the address of a user.
    "registration_attempt": Topic(),
    # Also a verification: the new user has no user name, because the requested one is taken.
    "username_taken": Topic(link=VERIFY, facts=("username",)),
    # To the new address, if it is free.
    "email_change": Topic("given", CHANGE),
    # To the new address, if it belongs to another user.
    "email_change_attempt": Topic("given"),
    # To the old address, when a change is requested and when it is done.
    "email_change_notice": Topic(facts=("new_email",)),
    "email_changed": Topic("given", facts=("new_email",)),
    "invitation": Topic(link=INVITATION),
    "password_changed": Topic(),
    "factor_added": Topic(facts=("factor",)),
    "factor_removed": Topic(facts=("factor",)),
    # Ten wrong codes within an hour, after a right password.
    "factor_guessed": Topic(),
    "passkey_cloned": Topic(facts=("factor",)),
    "refresh_token_reused": Topic(),
}

_BY_NAME: dict[str, Topic] = {str(name): topic for name, topic in TOPICS.items()}


def find_topic(name: str) -> Topic | None:
    """Return the topic of that name, or None: another version may have queued other topics."""
    return _BY_NAME.get(name)
