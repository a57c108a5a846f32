"""Take over users from elsewhere, with the password hashes that they have.

The source is JSON Lines, an object for each user:
`{email, password_hash, username?, is_active?, created_at?, last_login_at?}`. Hashes are those
that `Passwords` recognises, so their cost is bounded before anybody logs in with one; the first
log-in replaces it by one at today's settings. Times are epoch seconds or RFC 3339.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

from falcon_auth.accounts import UserStore
from falcon_auth.emails import EmailSyntaxError, email_key, parse_email
from falcon_auth.errors import InvalidBodyError, InvalidEmailError, MalformedJsonError
from falcon_auth.models import User
from falcon_auth.strict_json import parse_json
from falcon_auth.usernames import is_username

BATCH = 1000  # Users in one transaction: half a second on a slow disk, and the bound is two.
MAX_LINE_BYTES = 16 * 1024  # As for a request's body.

LINE_TOO_LONG = "LINE_TOO_LONG"
HASH_NOT_ACCEPTED = "HASH_NOT_ACCEPTED"  # Of no known kind, damaged, or too costly to obey.

_MEMBERS = {"email", "password_hash", "username", "is_active", "created_at", "last_login_at"}
_BLANKS = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line was not taken. It holds nothing of the line."""

    line: int  # From 1.
    code: str
    pointer: str = ""  # JSON Pointer to the member; empty where it is the whole line.


@dataclass(frozen=True, slots=True)
class Progress:
    """What came of some lines. All of them, and all before them, are done with."""

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
    """The use case of importing. Not for several threads at once."""

    def __init__(
        self,
        store: UserStore,
        recognises: Callable[[str], bool],
        *,
        clock: Callable[[], float],
        batch: int = BATCH,
    ) -> None:
        self._store = store
        self._recognises = recognises
        self._clock = clock
        self._batch = batch

    def run(self, source: BinaryIO, *, from_line: int = 1) -> Iterator[Progress]:
        """Import *source* from a line on, a transaction a batch; tell what came of each.

        What was told is stored: to go on after an interruption, begin behind the last line told,
        or at the first one again; who exists is refused as a duplicate, and stays as is.
        Raises `StoreUnavailableError`: nothing of that batch was told, though it may be stored.
        """
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
                users[user.id] = (line.number, user)
        taken = self._store.add_users([user for _, user in users.values()])
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
        if not isinstance(record, dict) or not record.keys() <= _MEMBERS:
            raise _RefusedError(InvalidBodyError.code)  # An unknown name may be a secret.
        email = _email(record.get("email"))
        created_at = _time(record, "created_at", now)
        return User(
            id=str(uuid.uuid4()),
            email=email,
            email_key=email_key(email),
            username=_username(record.get("username")),
            password_hash=self._hash(record.get("password_hash")),
            is_active=_flag(record.get("is_active", True)),
            created_at=now if created_at is None else created_at,
            updated_at=now,
            last_login_at=_time(record, "last_login_at", now),
        )

    def _hash(self, value: Any) -> str:
        if not isinstance(value, str) or not self._recognises(value):
            raise _RefusedError(HASH_NOT_ACCEPTED, "/password_hash")
        return value


class _RefusedError(Exception):
    def __init__(self, code: str, pointer: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.pointer = pointer


def _lines(source: BinaryIO) -> Iterator[_Line]:
    """Read line by line; of one that is too long no more than a piece is held at a time."""
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


def _email(value: Any) -> str:
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


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _RefusedError(InvalidBodyError.code, "/is_active")


def _time(record: dict[str, Any], name: str, now: float) -> float | None:
    """Return epoch seconds between 1970 and now, from a number or RFC 3339 with its zone."""
    value = record.get(name)
    if value is None:
        return None
    seconds = _seconds(value)
    if not 0 <= seconds <= now:  # False for what is no number as well.
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
