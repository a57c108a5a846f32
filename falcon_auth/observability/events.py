"""Security events of accounts, sessions and tokens: one call logs and counts each.

`EVENTS` defines the meaning, the log level and the metric of each event. Metrics are counted here
and not derived from the log, because LOG_LEVEL may suppress lines. During a request, the line also
has the request's id and the client's address, like every other line (`logs.request_fields`).
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
    "role_granted",
    "role_revoked",
    "role_changed",
    "login_succeeded",
    "login_failed",
    "audit_failure",
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
    "identity_linked",
    "identity_unlinked",
    "provider_login_failed",
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
AUDIT_FAILURES = Metric(
    "audit_failures", "Failures kept one by one in the audit trail, or summed up", ("result",)
)
PROVIDER_FAILURES = Metric(
    "provider_login_failures", "Logins by a provider that failed, by reason", ("reason",)
)
METRICS = (
    REGISTRATIONS,
    LOGINS,
    REFRESHES,
    SESSIONS_ENDED,
    TOKEN_REJECTIONS,
    RATE_LIMITED,
    AUDIT_FAILURES,
    PROVIDER_FAILURES,
)


class Kind(NamedTuple):
    """The fixed properties of an event: its level, metric, words and meaning."""

    meaning: str
    level: Level | None = "info"  # None: counted, not logged.
    metric: Metric | None = None
    fixed_labels: tuple[str, ...] = ()  # Values of the first labels that the event determines.
    label: Literal["reason", "result", "limit"] | None = None  # The field of the last label.

    words: tuple[str, ...] = ()  # The values of that field.
    closed: bool = True  # Whether no other values are allowed.
    quiet: tuple[str, ...] = ()  # Values that are logged at info regardless of the level.

    def values(self, word: str) -> tuple[str, ...]:
        """Return the metric's label values for an event with *word* in the labelled field."""
        return (*self.fixed_labels, word) if self.label else self.fixed_labels

    def series(self) -> list[tuple[str, ...]]:
        """Return the label values of every series that is known in advance."""
        return [self.values(word) for word in self.words or ("",)]


class Fields(TypedDict, total=False):
    """The fields an event may have: ids, fixed words and numbers, never an address or a name."""

    user_id: str | None
    session_id: str
    reason: str
    result: str
    limit: str
    role: str  # A role's name, which is the operator's choice.
    provider: str  # Its name in PROVIDERS_FILE.
    count: int  # How many events this record stands for; by default 1.
    seconds: int | None  # How far a token's time lies in the past or the future.


EVENTS: dict[EventName, Kind] = {
    "user_registered": Kind("a new user has registered", metric=REGISTRATIONS),
    "user_created": Kind("an operator has created a user"),
    "user_invited": Kind("an operator has invited a user, who has no password yet"),
    "user_renamed": Kind("a user has changed or removed the user name"),
    "user_deleted": Kind("a user was deleted, with everything stored about them", "warning"),
    "user_enabled": Kind("a disabled user may log in again", "warning"),
    "user_disabled": Kind("a user may no longer log in", "warning"),
    "role_granted": Kind("a user was granted a role", "warning"),
    "role_revoked": Kind("a role was taken from a user", "warning"),
    "role_changed": Kind("a role was defined, redefined or deleted", "warning"),
    "login_succeeded": Kind(
        "a user has logged in, and a session was opened",
        metric=LOGINS,
        fixed_labels=("succeeded", ""),
    ),
    "login_failed": Kind(
        "a log-in failed; a wrong password or second factor elsewhere counts too. `unknown`: "
        "there is no such account; `changed`: they were correct, but the account was changed "
        "or disabled in the meantime; `unverified`: they were correct, but EMAIL_VERIFICATION "
        "requires a verified address",
        "warning",
        LOGINS,
        fixed_labels=("failed",),
        label="reason",
        words=("password", "unknown", "disabled", "changed", "unverified", "factor"),
    ),
    "audit_failure": Kind(
        "a failed log-in was written in the audit trail; `summed`: its account or client had its "
        "share of the hour, so that it was counted",
        None,
        AUDIT_FAILURES,
        label="result",
        words=("kept", "summed"),
    ),
    "registration_of_taken": Kind(
        "somebody tried to register with the address of an existing user, who was notified by mail"
    ),
    "email_verified": Kind("a user has verified the e-mail address"),
    "email_changed": Kind("a user has changed the e-mail address"),
    "password_reset": Kind("a user has set a password by the link in a mail"),
    "second_factor_required": Kind("a password was correct, and a second factor is required"),
    "session_confirmed": Kind("a user has authenticated again within a session (step-up)"),
    "factor_added": Kind("a user has added a second factor"),
    "factor_removed": Kind("a user has removed a second factor", "warning"),
    "factors_removed": Kind(
        "an operator has removed all second factors of a user; `count` is their number",
        "warning",
    ),
    "recovery_codes_replaced": Kind("a user has replaced the recovery codes"),
    "factor_challenge_void": Kind(
        "ten wrong codes or passkeys were tried in one log-in: somebody who knows the "
        "password is guessing",
        "warning",
    ),
    "identity_linked": Kind("a user has linked an account at a provider, which can log in now"),
    "identity_unlinked": Kind("a user has unlinked an account at a provider", "warning"),
    "provider_login_failed": Kind(
        "a provider did not establish who somebody is, or somebody who may not log in; `reason` "
        "says what was wrong, or is the error's code in lower case",
        "warning",
        PROVIDER_FAILURES,
        label="reason",
        words=("refused", "state", "replayed", "provider_unavailable", "identity_not_linked"),
        closed=False,
    ),
    "factor_undecryptable": Kind(
        "no key of ENCRYPTION_KEYS decrypts a stored secret, so its user cannot log in with it",
        "error",
    ),
    "passkey_cloned": Kind("a passkey's counter went back: it may have been cloned", "warning"),
    "password_changed": Kind("a user's password was changed"),
    "password_hash_damaged": Kind(
        "a stored password hash is invalid, so its user cannot log in", "error"
    ),
    "refreshed": Kind(
        "a refresh token was exchanged for its successor. `repeated`: once more, within the "
        "grace period",
        None,
        REFRESHES,
        label="result",
        words=("rotated", "repeated"),
    ),
    "refresh_token_reused": Kind(
        "a spent refresh token was presented again: it may have been stolen", "warning"
    ),
    "session_behind_token": Kind(
        "a refresh token is newer than its session in the store: a backup was restored", "warning"
    ),
    "session_ended": Kind(
        "a session was ended before it expired",
        metric=SESSIONS_ENDED,
        label="reason",
        words=("logout", "revoked", "reuse", "behind"),
    ),
    "sessions_ended": Kind(
        "sessions of a user were ended; `count` is their number. `evicted`: a new log-in "
        "exceeded SESSIONS_PER_USER",
        metric=SESSIONS_ENDED,
        label="reason",
        words=("revoked", "password", "email", "disabled", "deleted", "evicted", "factor"),
    ),
    "token_rejected": Kind(
        "a token was refused; `reason` may also be the name of the invalid claim",
        "warning",
        TOKEN_REJECTIONS,
        label="reason",
        words=("expired", "revoked", "reused", "signature"),
        closed=False,
        quiet=("expired", "revoked", "reused"),
    ),
    "revocation_ignored": Kind(
        "a request to revoke a token named one that is invalid or has expired"
    ),
    "rate_limited": Kind(
        "an attempt was refused because a limit was reached",
        "warning",
        RATE_LIMITED,
        label="limit",
        words=("login-pair", "login-address", "login-account", "registration"),
        closed=False,  # Capabilities define limits of their own.
    ),
}

# Counts a metric: its name, the values of its labels, and the amount.
Count = Callable[[str, tuple[str, ...], int], None]

log = structlog.get_logger("falcon_auth.events")


class Events:
    """Logs and counts events. Without *count* it only logs.

    Safe to call from any thread; never blocks. *count* must not raise.
    """

    def __init__(self, count: Count | None = None) -> None:
        self._count = count

    def record(self, name: EventName, **fields: Unpack[Fields]) -> None:
        """Log and count an event that happened *count* times; do nothing if *count* is 0.

        Raises `ValueError`, for a mistake of the caller, if the table does not list a value.
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
