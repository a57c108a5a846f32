"""Import users from another system with their existing password hashes.

The source is JSON Lines, an object for each user:
`{email, password_hash, id?, email_verified?, username?, is_active?, created_at?, last_login_at?}`,
and the further members that `exporting` writes, so that users can be moved from one service to
another unchanged. An id is a UUID, which the user keeps. A null hash stands for a user who has no
password until they set one by a reset. Only hashes that `Passwords` recognises are accepted, so
that their cost is bounded before anybody logs in with one; the first log-in replaces a hash that is
cheaper than today's settings or of another kind. Times are in epoch seconds or RFC 3339.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

from falcon_auth.accounts.email_addresses import EmailAddress, EmailSyntaxError, parse_email
from falcon_auth.accounts.usernames import is_username
from falcon_auth.audit.trail import COMMAND, Trail
from falcon_auth.errors import (
    DuplicateEmailError,
    InvalidBodyError,
    InvalidEmailError,
    MalformedJsonError,
)
from falcon_auth.models import NO_PASSWORD, User
from falcon_auth.store import RoleStore, UserStore
from falcon_auth.strict_json import parse_json

BATCH = 1000  # Users in one transaction: half a second on a slow disk, and the bound is two.
MAX_LINE_BYTES = 16 * 1024  # As for a request's body.

LINE_TOO_LONG = "LINE_TOO_LONG"
UNKNOWN_MEMBER = "UNKNOWN_MEMBER"
MISSING_MEMBER = "MISSING_MEMBER"
UNKNOWN_ROLE = "UNKNOWN_ROLE"  # Define it first: `falcon-auth roles set`.
HASH_NOT_ACCEPTED = "HASH_NOT_ACCEPTED"  # Of no known kind, damaged, or too costly to obey.

_NEEDED = ("email", "password_hash")
_MEMBERS = frozenset(
    {
        *_NEEDED,
        *("id", "email_verified", "email_version", "username", "password_version", "is_active"),
        *("created_at", "updated_at", "last_login_at", "roles"),
    }
)
MAX_VERSION = 2**31 - 1  # The most that a database's column holds.
_MAX_NAME = 64  # Of an unknown member, as far as the report repeats it.
_BLANKS = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line was refused. It contains no value of the line, only names of members."""

    line: int  # From 1.
    code: str
    pointer: str = ""  # JSON Pointer to the member; empty where it is the whole line.


@dataclass(frozen=True, slots=True)
class Progress:
    """The result of a batch of lines; these and all lines before them are finished."""

    line: int  # The last of them.
    size: int  # Bytes.
    added: int
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    size: int
    text: bytes | None  # None for one that is too long.


class Importing:
    """The use case of importing. Not safe for use by several threads at once."""

    def __init__(
        self,
        users: UserStore,
        recognises: Callable[[str], bool],
        trail: Trail,
        *,
        clock: Callable[[], float],
        roles: RoleStore,
        batch: int = BATCH,
    ) -> None:
        self._users = users
        self._roles = roles
        self._defined: frozenset[str] = frozenset()
        self._recognises = recognises
        self._trail = trail
        self._clock = clock
        self._batch = batch

    def run(self, source: BinaryIO, *, from_line: int = 1) -> Iterator[Progress]:
        """Import *source* from a line on, one transaction per batch; yield each batch's result.

        Lines that have been reported are stored. To resume after an interruption, start after the
        last reported line, or from the beginning: existing users are refused as duplicates and
        stay unchanged. Raises `StoreUnavailableError`: the batch was not reported, but may have
        been stored.
        """
        self._defined = frozenset(role.name for role in self._roles.list())
        lines = (line for line in _lines(source) if line.number >= from_line)
        while batch := list(islice(lines, self._batch)):
            yield self._import(batch)

    def _import(self, lines: list[_Line]) -> Progress:
        now = self._clock()
        users: dict[str, tuple[int, User]] = {}
        refused: list[Refusal] = []
        for line in lines:
            if line.text is not None and not line.text.strip(_BLANKS):
                continue
            try:
                user = self._parse(line.text, now)
            except _RefusedError as error:
                refused.append(Refusal(line.number, error.code, error.pointer))
            else:
                if user.id in users:  # Twice in this very batch; the store knows of the others.
                    refused.append(Refusal(line.number, DuplicateEmailError.code, "/id"))
                else:
                    users[user.id] = (line.number, user)
        events = [
            self._trail.event("user.registered", actor=COMMAND, subject=name, imported=True)
            for name in users
        ]
        taken = self._users.add_many([user for _, user in users.values()], events=events)
        refused += [Refusal(users[name][0], error.code) for name, error in taken.items()]
        refused.sort(key=lambda refusal: refusal.line)
        size = sum(line.size for line in lines)
        return Progress(lines[-1].number, size, len(users) - len(taken), tuple(refused))

    def _parse(self, text: bytes | None, now: float) -> User:
        if text is None:
            raise _RefusedError(LINE_TOO_LONG)
        try:
            record = parse_json(text)
        except ValueError:
            raise _RefusedError(MalformedJsonError.code) from None
        if not isinstance(record, dict):
            raise _RefusedError(InvalidBodyError.code)
        _check_names(record)
        email = _email(record.get("email"))
        created_at = _time(record, "created_at", now)
        updated_at = _time(record, "updated_at", now)
        return User(
            id=_id(record.get("id")),
            email=email.text,
            email_key=email.key,
            username=_username(record.get("username")),
            password_hash=self._hash(record),
            password_version=_version(record, "password_version"),
            email_version=_version(record, "email_version"),
            email_verified=_flag(record, "email_verified", default=False),
            is_active=_flag(record, "is_active", default=True),
            roles=self._roles_of(record),
            created_at=now if created_at is None else created_at,
            updated_at=now if updated_at is None else updated_at,
            last_login_at=_time(record, "last_login_at", now),
        )

    def _roles_of(self, record: dict[str, Any]) -> tuple[str, ...]:
        names = record.get("roles", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _RefusedError(InvalidBodyError.code, "/roles")
        if not {*names} <= self._defined:
            raise _RefusedError(UNKNOWN_ROLE, "/roles")
        return tuple(sorted({*names}))

    def _hash(self, record: dict[str, Any]) -> str:
        value = record.get("password_hash", "")
        if value is None:
            return NO_PASSWORD
        if not isinstance(value, str) or not self._recognises(value):
            raise _RefusedError(HASH_NOT_ACCEPTED, "/password_hash")
        return value


class _RefusedError(Exception):
    def __init__(self, code: str, pointer: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.pointer = pointer


def _lines(source: BinaryIO) -> Iterator[_Line]:
    """Read line by line; a line that is too long is never held in memory as a whole."""
    read: Iterable[bytes] = iter(lambda: source.readline(MAX_LINE_BYTES + 1), b"")
    number, size, fits = 1, 0, True
    for piece in read:
        size += len(piece)
        ends = piece.endswith(b"\n")
        if ends or len(piece) <= MAX_LINE_BYTES:
            yield _Line(number, size, piece if fits and size <= MAX_LINE_BYTES else None)
            number, size, fits = number + 1, 0, True
        else:
            fits = False
    if size:
        yield _Line(number, size, None)


def _email(value: Any) -> EmailAddress:
    try:
        if isinstance(value, str):
            return parse_email(value)
    except EmailSyntaxError:
        pass
    raise _RefusedError(InvalidEmailError.code, "/email")


def _username(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and is_username(value)):
        return value
    raise _RefusedError(InvalidBodyError.code, "/username")


def _check_names(record: dict[str, Any]) -> None:
    """Refuse a line with an unknown member, or without a required one."""
    for name in record:
        if name not in _MEMBERS:
            shown = name[:_MAX_NAME].replace("~", "~0").replace("/", "~1")
            raise _RefusedError(UNKNOWN_MEMBER, f"/{shown}")
    for name in _NEEDED:
        if name not in record:
            raise _RefusedError(MISSING_MEMBER, f"/{name}")


def _id(value: Any) -> str:
    """Return a UUID in its canonical form, or a new one if none is given."""
    if value is None:
        return str(uuid.uuid4())
    try:
        if isinstance(value, str):
            return str(uuid.UUID(value))
    except ValueError:
        pass
    raise _RefusedError(InvalidBodyError.code, "/id")


def _flag(record: dict[str, Any], name: str, *, default: bool) -> bool:
    value = record.get(name, default)
    if isinstance(value, bool):
        return value
    raise _RefusedError(InvalidBodyError.code, f"/{name}")


def _version(record: dict[str, Any], name: str) -> int:
    value = record.get(name, 0)
    if type(value) is int and 0 <= value <= MAX_VERSION:
        return value
    raise _RefusedError(InvalidBodyError.code, f"/{name}")


def _time(record: dict[str, Any], name: str, now: float) -> float | None:
    """Return epoch seconds between 1970 and now, from a number or RFC 3339 with its zone."""
    value = record.get(name)
    if value is None:
        return None
    seconds = _seconds(value)
    if not 0 <= seconds <= now:  # False for NaN as well.
        raise _RefusedError(InvalidBodyError.code, f"/{name}")
    return seconds


def _seconds(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return math.nan
        if moment.tzinfo is not None:
            return moment.timestamp()
    return math.nan
