"""The memory store as a JSON file, for development: loaded at start-up, written in the background.

If the file is not a valid snapshot, the service does not start, and the file stays unchanged. It is
replaced atomically (temporary file, fsync, rename), so a crash leaves either the old file or the
new one intact.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import IO, Any, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from falcon_auth.errors import AuthError
from falcon_auth.models import Factor, Identity, Message, Role, Session, User
from falcon_auth.stores.memory.store import MemoryStore, Records
from falcon_auth.strict_json import parse_json

FORMAT = "falcon-auth-snapshot"
VERSION = 1
OWNER_ONLY = 0o600  # It holds password hashes.
BATCH = 200  # Records encoded at a time; requests do not wait any longer than that takes.

Record = TypeVar("Record", User, Session, Message, Factor, Role, Identity)


class _Content(BaseModel):
    # Also applies to the records: unknown members would be lost by the next write.
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    format: str
    version: int
    users: list[User]
    sessions: list[Session]
    outbox: list[Message] = []  # Missing in files of 1.0, like those below.
    factors: list[Factor] = []
    code_hashes: dict[str, list[str]] = {}
    spent_challenges: dict[str, float] = {}
    roles: list[Role] = []
    identities: list[Identity] = []


class _Identity(NamedTuple):
    inode: int
    modified_ns: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)


class SnapshotError(Exception):
    """The file cannot be used. The message quotes neither its content nor its name."""


class Snapshot:
    """One memory store's file. `write` may be called from any thread."""

    def __init__(self, path: Path, store: MemoryStore) -> None:
        self._path = Path(os.path.realpath(path))  # The target of a symbolic link is replaced.
        self._store = store
        self._written = -1  # The store's change number in the file.
        self._known: _Identity | None = None  # The file as this process loaded or wrote it.
        self._writing = Lock()
        self._lock_file: IO[bytes] | None = None

    def load(self) -> None:
        """Lock the file for this process, and load its records into the store.

        A missing file counts as an empty one. Raises `SnapshotError`; the file is then unchanged
        and unlocked, and the store must not be used.
        """
        self._claim()
        try:
            self._take_in()
        except SnapshotError:
            self._release()
            raise

    def write(self) -> bool:
        """Write the file if the store has changed since the last write; return whether it had.

        Raises `OSError`, also if the file is not as this process left it; it is then unchanged.
        Raises `RuntimeError` unless `load` has succeeded, because the file may contain records that
        the store lacks.
        """
        with self._writing:
            self._refuse_to_overwrite()
            changes = self._store.changes  # Read first: later changes are written next time.
            if changes == self._written:
                return False
            records = self._store.dump()
            temporary = self._path.with_name(f"{self._path.name}.tmp")
            temporary.unlink(missing_ok=True)  # Left over from a crash, or planted as a link.
            try:
                with open(temporary, "x", encoding="ascii", opener=_open_for_owner) as file:
                    file.writelines(_encode(records))
                    file.flush()
                    os.fsync(file.fileno())
                    known = _Identity.of(os.fstat(file.fileno()))
                temporary.replace(self._path)
                self._known = known
                _sync_folder(self._path.parent)
            finally:
                temporary.unlink(missing_ok=True)
            self._written = changes
            return True

    def write_once(self) -> bool:
        """Write the file as a chore of housekeeping; return False: nothing is left to do."""
        self.write()
        return False

    def close(self) -> None:
        """Write the last changes, and unlock the file. Raises `OSError`."""
        if self._lock_file is not None:
            try:
                self.write()
            finally:
                self._release()

    def _take_in(self) -> None:
        try:
            status = self._path.stat()
            if not stat.S_ISREG(status.st_mode):  # Reading a pipe might never end.
                raise self._fault("is not a file")
            self._known = _Identity.of(status)
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror}") from None
        self._check_form(data)
        try:
            content = _Content.model_validate_json(data)
            self._store.load(
                content.users,
                content.sessions,
                content.outbox,
                content.factors,
                content.code_hashes,
                content.spent_challenges,
                content.roles,
                content.identities,
            )
        except (ValidationError, ValueError, AuthError):
            raise self._fault("has records that are damaged or contradictory") from None
        if stat.S_IMODE(status.st_mode) == OWNER_ONLY:  # Otherwise it is rewritten with that mode.
            self._written = self._store.changes

    def _check_form(self, data: bytes) -> None:
        try:
            members = parse_json(data)
        except ValueError:
            raise self._fault("is not JSON, or is truncated") from None
        if not isinstance(members, dict) or members.get("format") != FORMAT:
            raise self._fault("is not a snapshot of this service")
        if members.get("version") != VERSION:
            raise self._fault("has another version")

    def _claim(self) -> None:
        """Lock a file beside it, so that two processes cannot overwrite each other's data."""
        lock_path = self._path.with_name(f"{self._path.name}.lock")
        try:
            self._lock_file = open(lock_path, "ab", opener=_open_for_owner)  # noqa: SIM115 - kept open
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._release()
            raise self._fault("is in use already, perhaps by another process") from None
        except OSError as error:
            self._release()
            raise self._fault(f"cannot be locked: {error.strerror}") from None

    def _refuse_to_overwrite(self) -> None:
        """Refuse to overwrite a file that this process has not locked. Raises `OSError`.

        Processes forked after `load` share its lock. The first of them to write takes a lock that a
        fork does not inherit, and any forked later notices that the file is not the one it knows.
        """
        if self._lock_file is None:
            message = "a snapshot must be loaded before it is written"
            raise RuntimeError(message)
        fcntl.lockf(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):
            if _Identity.of(self._path.stat()) != self._known:
                raise OSError(errno.ESTALE, "the file was written by another process")

    def _release(self) -> None:
        lock_file, self._lock_file = self._lock_file, None
        if lock_file is not None:
            lock_file.close()

    def _fault(self, text: str) -> SnapshotError:
        return SnapshotError(f"SNAPSHOT_FILE: the file {text}")


def _encode(records: Records) -> Iterator[str]:
    """Encode in batches, so that request threads can run in between."""
    yield json.dumps({"format": FORMAT, "version": VERSION})[:-1]
    yield ', "users": ['
    yield from _encode_records(records.users)
    yield '],\n"sessions": ['
    yield from _encode_records(records.sessions)
    yield '],\n"outbox": ['
    yield from _encode_records(records.outbox)
    yield '],\n"factors": ['
    yield from _encode_records(records.factors)
    yield '],\n"roles": ['
    yield from _encode_records(records.roles)
    yield f'],\n"code_hashes": {json.dumps(records.code_hashes)}'
    yield f',\n"spent_challenges": {json.dumps(records.spent_challenges)}'
    yield ',\n"identities": ['
    yield from _encode_records(records.identities)
    yield "]}\n"


def _encode_records(records: Sequence[Record]) -> Iterator[str]:
    for start in range(0, len(records), BATCH):
        rows = [_members_of(each) for each in records[start : start + BATCH]]
        yield (",\n" if start else "\n") + json.dumps(rows)[1:-1]


def _members_of(record: Record) -> dict[str, Any]:
    members: dict[str, Any] = asdict(record)
    if isinstance(record, User):
        del members["scopes"]  # They follow from the roles, when the file is loaded.
    return members


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, OWNER_ONLY)


def _sync_folder(folder: Path) -> None:
    """Make the rename survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
