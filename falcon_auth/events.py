"""What the use cases tell whoever counts: one method an event, beside the line in the log.

The log cannot be counted instead, because LOG_LEVEL hides lines. Every argument is a fixed
word: nothing about a user, an address or a token gets this far.
"""

from __future__ import annotations

from typing import Literal, Protocol, get_args

LoginFailure = Literal["password", "unknown", "disabled", "changed"]
LOGIN_FAILURES: tuple[LoginFailure, ...] = get_args(LoginFailure)

Refreshed = Literal["rotated", "repeated"]  # Repeated: a lost answer, given again in the grace.
REFRESHED: tuple[Refreshed, ...] = get_args(Refreshed)

Ending = Literal["logout", "revoked", "reuse", "behind"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)


class Events(Protocol):
    """Hears what happened. Called from any thread, after the fact; no method raises or blocks."""

    def registered(self) -> None:
        """Hear of a new user."""

    def logged_in(self) -> None:
        """Hear of a log-in that opened a session."""

    def login_failed(self, reason: LoginFailure) -> None:
        """Hear of a password that opened nothing; a wrong current one at its change counts too.

        *unknown*: no such account; *changed*: the password was right, and changed meanwhile.
        """

    def refreshed(self, result: Refreshed) -> None:
        """Hear of a refresh token that was answered with its successor."""

    def sessions_ended(self, reason: Ending, count: int = 1) -> None:
        """Hear of sessions that ended before their time.

        *revoked*: by their user, from a list; *behind*: the store knows less than the token.
        """

    def rate_limited(self, limit: str) -> None:
        """Hear of an attempt beyond a limit, by the limit's name."""


class NoEvents:
    """Counts nothing."""

    def registered(self) -> None:
        """Do nothing."""

    def logged_in(self) -> None:
        """Do nothing."""

    def login_failed(self, reason: LoginFailure) -> None:
        """Do nothing."""

    def refreshed(self, result: Refreshed) -> None:
        """Do nothing."""

    def sessions_ended(self, reason: Ending, count: int = 1) -> None:
        """Do nothing."""

    def rate_limited(self, limit: str) -> None:
        """Do nothing."""


NO_EVENTS = NoEvents()
