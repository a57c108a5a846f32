"""Look through the users: page by page, and by a part of address or name."""

from __future__ import annotations

import base64
import math
import re
import struct
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from falcon_auth.accounts.email_addresses import MAX_EMAIL_LENGTH, email_key
from falcon_auth.errors import InvalidBodyError, NotFoundError, Violation
from falcon_auth.models import Session, User
from falcon_auth.store import Holder, Store
from falcon_auth.store.directory import NEWEST, Position, Search

PAGE = 500  # Users that a command reads at a time.
UNKNOWN_USER = "There is no user with this id."
QUERY_RULE = f"Must have 1 to {MAX_EMAIL_LENGTH} printable characters."
CURSOR_RULE = "Must be the `next` of a page of users."

_CURSOR = re.compile("[A-Za-z0-9_-]{32}", re.ASCII)  # 24 bytes, so that each has one spelling.
_PLACE = struct.Struct(">d16s")


class DirectoryPage(NamedTuple):
    """Some users, newest first, and the cursor of the next page; None on the last."""

    users: list[User]
    next: str | None


class Directory:
    """The use cases of finding users. Safe to call from any thread.

    Every method raises `StoreUnavailableError` if the store cannot answer.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def find_page(
        self,
        *,
        query: str | None = None,
        role: str | None = None,
        active: bool | None = None,
        after: str | None = None,
        limit: int,
    ) -> DirectoryPage:
        """Return up to *limit* users, newest first.

        *query* is a part of the address or the user name, in any case. *after* is the `next` of
        another page. A page may hold fewer users, or none, although others follow. Raises
        `InvalidBodyError` for a *query* that no address has, and for what is not a cursor.
        """
        search = Search(_search_text(query), role, active)
        page = self._store.directory.find_page(search, after=_read_cursor(after), limit=limit)
        return DirectoryPage(
            list(page.users), None if page.next is None else _write_cursor(page.next)
        )

    def users(
        self, *, query: str | None = None, role: str | None = None, active: bool | None = None
    ) -> Iterator[User]:
        """Iterate over users as `find_page` finds them; raises as it does."""
        after = None
        while True:
            page = self.find_page(query=query, role=role, active=active, after=after, limit=PAGE)
            yield from page.users
            after = page.next
            if after is None:
                return

    def show(self, user_id: str) -> Holder:
        """Return a user with the second factors. Raises `NotFoundError`."""
        holder = self._store.factors.find_holder(user_id)
        if holder is None:
            raise NotFoundError(UNKNOWN_USER)
        return holder

    def list_sessions(self, user_id: str) -> Sequence[Session]:
        """Return a user's live sessions, newest first. Raises `NotFoundError`."""
        if self._store.users.find(user_id) is None:
            raise NotFoundError(UNKNOWN_USER)
        return self._store.sessions.list_live(user_id, now=self._clock())


def _search_text(query: str | None) -> str | None:
    """Return *query* as keys are written: names are ASCII, so that one form fits both."""
    if query is None:
        return None
    if not (0 < len(query) <= MAX_EMAIL_LENGTH and query.isprintable()):
        raise InvalidBodyError([Violation("/query", InvalidBodyError.code, QUERY_RULE)])
    return email_key(query)


def _write_cursor(place: Position) -> str:
    """Write a place in base64url; it tells nothing that the page does not."""
    packed = _PLACE.pack(place.created_at, uuid.UUID(place.user_id).bytes)
    return base64.urlsafe_b64encode(packed).decode()


def _read_cursor(cursor: str | None) -> Position:
    """Return the place; whoever makes a cursor up gets a page that is theirs to see anyway."""
    if cursor is None:
        return NEWEST
    if _CURSOR.fullmatch(cursor):
        created_at, user_id = _PLACE.unpack(base64.urlsafe_b64decode(cursor))
        if math.isfinite(created_at):
            return Position(created_at, str(uuid.UUID(bytes=user_id)))
    raise InvalidBodyError([Violation("/after", InvalidBodyError.code, CURSOR_RULE)])
