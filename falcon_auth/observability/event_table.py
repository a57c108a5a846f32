"""The table of security events: the meaning, the log level and the metric of each.

docs/logs.md shows it, and `events.Events` logs and counts by it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

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
    "scope_refused",
    "rate_limited",
]
Level = Literal["info", "warning", "error"]
LabelField = Literal["reason", "result", "limit", "scope"]


class Metric(NamedTuple):
    """A counter, `falcon_auth_<name>_total`, and the names of its labels."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    by_event: bool = False  # Whether its only label is the name of the event.


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
    "provider_login_failures", "Log-ins by a provider that failed, by reason", ("reason",)
)
SCOPE_REFUSALS = Metric(
    "scope_refusals", "Requests refused for want of a scope, by the scope required", ("scope",)
)
ACCOUNT_CHANGES = Metric(
    "account_changes", "Changes of accounts and roles", ("change",), by_event=True
)
ALARMS = Metric("alarms", "Events that somebody has to look into", ("alarm",), by_event=True)
METRICS = (
    REGISTRATIONS,
    LOGINS,
    REFRESHES,
    SESSIONS_ENDED,
    TOKEN_REJECTIONS,
    RATE_LIMITED,
    AUDIT_FAILURES,
    PROVIDER_FAILURES,
    SCOPE_REFUSALS,
    ACCOUNT_CHANGES,
    ALARMS,
)


class Kind(NamedTuple):
    """The fixed properties of an event: its level, metric, words and meaning."""

    meaning: str
    level: Level | None = "info"  # None: counted, not logged.
    metric: Metric | None = None
    fixed_labels: tuple[str, ...] = ()  # Values of the first labels that the event determines.
    label: LabelField | None = None  # The field of the last label.
    words: tuple[str, ...] = ()  # The values of that field.
    closed: bool = True  # Whether no other values are allowed.
    quiet: tuple[str, ...] = ()  # Values that are logged at info regardless of the level.

    def values(self, name: EventName, word: str) -> tuple[str, ...]:
        """Return the metric's label values for the event *name* with *word* in that field."""
        if self.metric is not None and self.metric.by_event:
            return (name,)
        return (*self.fixed_labels, word) if self.label else self.fixed_labels

    def series(self, name: EventName) -> list[tuple[str, ...]]:
        """Return the label values of every series of the event *name* that is known in advance."""
        return [self.values(name, word) for word in self.words or ("",)]


EVENTS: dict[EventName, Kind] = {
    "user_registered": Kind("a new user has registered", metric=REGISTRATIONS),
    "user_created": Kind("an operator has created a user", metric=ACCOUNT_CHANGES),
    "user_invited": Kind(
        "an operator has invited a user, who has no password yet", metric=ACCOUNT_CHANGES
    ),
    "user_renamed": Kind("a user has changed or removed the user name", metric=ACCOUNT_CHANGES),
    "user_deleted": Kind(
        "a user was deleted, with everything stored about them", "warning", ACCOUNT_CHANGES
    ),
    "user_enabled": Kind("a disabled user may log in again", "warning", ACCOUNT_CHANGES),
    "user_disabled": Kind("a user may no longer log in", "warning", ACCOUNT_CHANGES),
    "role_granted": Kind("a user was granted a role", "warning", ACCOUNT_CHANGES),
    "role_revoked": Kind("a role was taken from a user", "warning", ACCOUNT_CHANGES),
    "role_changed": Kind("a role was defined, redefined or deleted", "warning", ACCOUNT_CHANGES),
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
    "email_verified": Kind("a user has verified the e-mail address", metric=ACCOUNT_CHANGES),
    "email_changed": Kind("a user has changed the e-mail address", metric=ACCOUNT_CHANGES),
    "password_reset": Kind(
        "a user has set a password by the link in a mail", metric=ACCOUNT_CHANGES
    ),
    "second_factor_required": Kind("a password was correct, and a second factor is required"),
    "session_confirmed": Kind("a user has authenticated again within a session (step-up)"),
    "factor_added": Kind("a user has added a second factor", metric=ACCOUNT_CHANGES),
    "factor_removed": Kind("a user has removed a second factor", "warning", ACCOUNT_CHANGES),
    "factors_removed": Kind(
        "an operator has removed all second factors of a user; `count` is their number",
        "warning",
        ACCOUNT_CHANGES,
    ),
    "recovery_codes_replaced": Kind(
        "a user has replaced the recovery codes", metric=ACCOUNT_CHANGES
    ),
    "factor_challenge_void": Kind(
        "ten wrong codes or passkeys were tried in one log-in: somebody who knows the "
        "password is guessing",
        "warning",
        ALARMS,
    ),
    "identity_linked": Kind(
        "a user has linked an account at a provider, which can log in now", metric=ACCOUNT_CHANGES
    ),
    "identity_unlinked": Kind(
        "a user has unlinked an account at a provider", "warning", ACCOUNT_CHANGES
    ),
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
        ALARMS,
    ),
    "passkey_cloned": Kind(
        "a passkey's counter went back: it may have been cloned", "warning", ALARMS
    ),
    "password_changed": Kind("a user's password was changed", metric=ACCOUNT_CHANGES),
    "password_hash_damaged": Kind(
        "a stored password hash is invalid, so its user cannot log in", "error", ALARMS
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
    "scope_refused": Kind(
        "a request was refused for want of a scope, which its operation requires; `other`: "
        "one that is not declared",
        None,
        SCOPE_REFUSALS,
        label="scope",
        words=("admin", "audit:read", "roles:write", "users:read", "users:write"),
        closed=False,  # Applications declare scopes of their own.
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
