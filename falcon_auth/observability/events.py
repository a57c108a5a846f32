"""Security events of accounts, sessions and tokens: one call logs and counts each.

`EVENTS` says of each what it means, how loudly it is logged, and which metric counts it. The log
cannot be counted instead, because LOG_LEVEL hides lines. While a request is served, the line also
has the request's id and the client's address, as every other line has (`logs.request_fields`).
docs/logs.md shows the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypedDict, Unpack

import structlog

EventName = Literal[
    "user_registered",
    "user_created",
    "user_invited",
    "user_renamed",
    "user_deleted",
    "user_enabled",
    "user_disabled",
    "login_succeeded",
    "login_failed",
    "registration_of_taken",
    "email_verified",
    "email_changed",
    "second_factor_required",
    "session_confirmed",
    "factor_added",
    "factor_removed",
    "factors_removed",
    "recovery_codes_replaced",
    "factor_challenge_void",
    "factor_undecryptable",
    "passkey_cloned",
    "password_changed",
    "password_reset",
    "password_hash_damaged",
    "refreshed",
    "refresh_token_reused",
    "session_behind_token",
    "session_ended",
    "sessions_ended",
    "token_rejected",
    "revocation_ignored",
    "rate_limited",
]
Level = Literal["info", "warning", "error"]


class Metric(NamedTuple):
    """A counter, `falcon_auth_<name>_total`, and the names of its labels."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


REGISTRATIONS = Metric("registrations", "New users")
LOGINS = Metric("logins", "Passwords checked, by result and reason", ("result", "reason"))
REFRESHES = Metric("refreshes", "Refresh tokens answered", ("result",))
SESSIONS_ENDED = Metric(
    "sessions_ended", "Sessions ended before their time, by reason", ("reason",)
)
TOKEN_REJECTIONS = Metric("token_rejections", "Tokens refused, by reason", ("reason",))
RATE_LIMITED = Metric("rate_limited", "Attempts beyond a limit, by limit", ("limit",))
METRICS = (REGISTRATIONS, LOGINS, REFRESHES, SESSIONS_ENDED, TOKEN_REJECTIONS, RATE_LIMITED)


class Kind(NamedTuple):
    """The fixed properties of an event: its level, metric, words and meaning."""

    meaning: str
    level: Level | None = "info"  # None: counted, not logged.
    metric: Metric | None = None
    fixed_labels: tuple[str, ...] = ()  # The first labels' values, where the event decides them.
    label: Literal["reason", "result", "limit"] | None = None  # The field that is the last label.
    words: tuple[str, ...] = ()  # What that field may be.
    closed: bool = True  # Whether it may be nothing else.
    quiet: tuple[str, ...] = ()  # Words that are logged at info, whatever the level.

    def values(self, word: str) -> tuple[str, ...]:
        """Return the values of the metric's labels where *word* is in the field that counts."""
        return (*self.fixed_labels, word) if self.label else self.fixed_labels

    def series(self) -> list[tuple[str, ...]]:
        """Return the values of the labels of every series that can be foreseen."""
        return [self.values(word) for word in self.words or ("",)]


class Fields(TypedDict, total=False):
    """The fields an event may have: ids, fixed words and numbers, never an address or a name."""

    user_id: str | None
    session_id: str
    reason: str
    result: str
    limit: str
    count: int  # How often it happened at once; 1 where it is not said.
    seconds: int | None  # By how much a token's time is off.


EVENTS: dict[EventName, Kind] = {
    "user_registered": Kind("a new user has registered", metric=REGISTRATIONS),
    "user_created": Kind("an operator has created a user"),
    "user_invited": Kind("somebody was invited, and has no password yet"),
    "user_renamed": Kind("a user has another user name, or none"),
    "user_deleted": Kind("a user and all that was kept of it are gone", "warning"),
    "user_enabled": Kind("a disabled user may log in again", "warning"),
    "user_disabled": Kind("a user may no longer log in", "warning"),
    "login_succeeded": Kind(
        "a password was right, and a session is open", metric=LOGINS, fixed_labels=("succeeded", "")
    ),
    "login_failed": Kind(
        "a password or a second factor opened nothing; a wrong one at a change counts too. "
        "`unknown`: no such account; `changed`: it was right, and changed or disabled meanwhile; "
        "`unverified`: it was right, and EMAIL_VERIFICATION asks for more",
        "warning",
        LOGINS,
        fixed_labels=("failed",),
        label="reason",
        words=("password", "unknown", "disabled", "changed", "unverified", "factor"),
    ),
    "registration_of_taken": Kind(
        "somebody tried to register with the address of a user, who was told by mail"
    ),
    "email_verified": Kind("a user has proved that the address is theirs"),
    "email_changed": Kind("a user has another address"),
    "password_reset": Kind("a user has set a password by the link of a mail"),
    "second_factor_required": Kind("a password was right, and a second factor is asked for"),
    "session_confirmed": Kind("a user has proved again who they are, in a session"),
    "factor_added": Kind("a user has a further second factor"),
    "factor_removed": Kind("a user has removed a second factor", "warning"),
    "factors_removed": Kind(
        "whoever runs the service has removed all second factors of a user, `count` of them",
        "warning",
    ),
    "recovery_codes_replaced": Kind("a user has new recovery codes"),
    "factor_challenge_void": Kind(
        "ten codes or passkeys were tried on one log-in: somebody guesses, and has the password",
        "warning",
    ),
    "factor_undecryptable": Kind(
        "no key of ENCRYPTION_KEYS decrypts a stored secret; its owner cannot use it", "error"
    ),
    "passkey_cloned": Kind("a passkey's counter went back: there may be a copy of it", "warning"),
    "password_changed": Kind("a user has a new password"),
    "password_hash_damaged": Kind("a stored hash cannot be read; nobody can log in by it", "error"),
    "refreshed": Kind(
        "a refresh token was answered with its successor. `repeated`: again, within the grace",
        None,
        REFRESHES,
        label="result",
        words=("rotated", "repeated"),
    ),
    "refresh_token_reused": Kind("a spent refresh token came back: theft", "warning"),
    "session_behind_token": Kind(
        "the store knows less than a token that it issued: it was put back in time", "warning"
    ),
    "session_ended": Kind(
        "a session ended before its time",
        metric=SESSIONS_ENDED,
        label="reason",
        words=("logout", "revoked", "reuse", "behind"),
    ),
    "sessions_ended": Kind(
        "several sessions of a user ended, `count` of them. `evicted`: a further log-in exceeded "
        "SESSIONS_PER_USER",
        metric=SESSIONS_ENDED,
        label="reason",
        words=("revoked", "password", "email", "disabled", "deleted", "evicted", "factor"),
    ),
    "token_rejected": Kind(
        "a token was refused; `reason` may also be the name of the claim that is wrong",
        "warning",
        TOKEN_REJECTIONS,
        label="reason",
        words=("expired", "revoked", "reused", "signature"),
        closed=False,
        quiet=("expired", "revoked", "reused"),
    ),
    "revocation_ignored": Kind("a token that was to be revoked is none, or has expired"),
    "rate_limited": Kind(
        "an attempt came after a limit was reached",
        "warning",
        RATE_LIMITED,
        label="limit",
        words=("login-pair", "login-address", "login-account", "registration"),
        closed=False,  # A capability names its own limits.
    ),
}

# How a metric is counted: by its name, the values of its labels, and how many.
Count = Callable[[str, tuple[str, ...], int], None]

log = structlog.get_logger("falcon_auth.events")


class Events:
    """Logs and counts events. Without *count* it only logs.

    Safe to call from any thread, and it does not wait. *count* must not raise.
    """

    def __init__(self, count: Count | None = None) -> None:
        self._count = count

    def record(self, name: EventName, **fields: Unpack[Fields]) -> None:
        """Log and count an event that happened *count* times; does nothing if *count* is 0.

        Raises `ValueError` for a word that the table does not have: a slip of the caller's.
        """
        kind = EVENTS[name]
        word = str(fields.get(kind.label)) if kind.label else ""
        if kind.closed and kind.label and word not in kind.words:
            raise ValueError(f"{name} has no such {kind.label}")
        if fields.get("count") == 0:
            return
        if kind.level is not None:
            level = "info" if word in kind.quiet else kind.level
            getattr(log, level)(name, **fields)
        if self._count is not None and kind.metric is not None:
            self._count(kind.metric.name, kind.values(word), fields.get("count", 1))


LOG_ONLY = Events()
