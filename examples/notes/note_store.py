"""Notes in a SQLite file of their own, by the id of the user who wrote them."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

LISTED = 100  # Notes in a list, at most.
_TABLE = """
create table if not exists notes (
    number integer primary key,
    id text not null unique,
    owner text not null,
    text text not null
);
create index if not exists notes_of_owner on notes (owner, number);
"""


@dataclass(frozen=True, slots=True)
class Note:
    """A note. *owner* is a user's id: it stays the same when the address changes."""

    id: str
    owner: str
    text: str


class NoteStore:
    """Safe to call from any thread: each call has a connection of its own.

    Raises `sqlite3.Error` if the file cannot be used; a client gets 500, and the log the reason.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connection() as connection:
            connection.executescript(_TABLE)

    def list_of(self, owner: str) -> list[Note]:
        """Return the newest notes of a user, the last one first."""
        query = "select id, owner, text from notes where owner = ? order by number desc limit ?"
        with self._connection() as connection:
            return [Note(*row) for row in connection.execute(query, (owner, LISTED))]

    def find(self, note_id: str) -> Note | None:
        """Return a note, whoever wrote it."""
        query = "select id, owner, text from notes where id = ?"
        with self._connection() as connection:
            row = connection.execute(query, (note_id,)).fetchone()
        return None if row is None else Note(*row)

    def add(self, owner: str, text: str) -> Note:
        """Keep a new note."""
        note = Note(str(uuid.uuid4()), owner, text)
        statement = "insert into notes (id, owner, text) values (?, ?, ?)"
        with self._connection() as connection:
            connection.execute(statement, (note.id, note.owner, note.text))
        return note

    def delete(self, note_id: str, *, owner: str) -> bool:
        """Delete a note of *owner*; return whether there was one."""
        statement = "delete from notes where id = ? and owner = ?"
        with self._connection() as connection:
            return connection.execute(statement, (note_id, owner)).rowcount > 0

    def delete_all_of(self, owner: str) -> None:
        """Delete the notes of a user."""
        with self._connection() as connection:
            connection.execute("delete from notes where owner = ?", (owner,))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Provide a connection whose transaction is committed unless the block raises."""
        with closing(sqlite3.connect(self._path, timeout=2)) as connection, connection:
            yield connection
