"""A folder of keys: `ring.json` records each key's state, `<kid>.pem` holds the key (mode 0600).

Commands change the folder under a lock. Services only read it, and detect changes by the status of
`ring.json`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from falcon_auth.keys import Key, UnfitKeyError
from falcon_auth.keys.live import KeyFolderError, LoadedKeys
from falcon_auth.keys.pem import open_to_others, parse_pem, read_pem, write_secret
from falcon_auth.keys.rotation import Plan
from falcon_auth.strict_json import parse_json

if sys.platform != "win32":  # pragma: no branch
    import fcntl

MANIFEST = "ring.json"
LOCK = ".lock"
MAX_MANIFEST_BYTES = 1024 * 1024  # Thousands of keys.


class KeyFolder:
    """Implements `KeyFiles`. Safe to use from many threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._manifest = path / MANIFEST

    def mark(self) -> object:
        """Return the manifest's identity, which changes with every plan; None if it is missing."""
        try:
            found = self._manifest.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def load(self) -> LoadedKeys:
        """Read the plan, the keys it names, and which files everyone can read."""
        plan = self.read_plan()
        keys: dict[str, Key] = {}
        readable = []
        for record in plan.live():
            path = self._pem(record.kid)
            try:
                key = parse_pem(read_pem(path), record.algorithm)
                others_may = open_to_others(path)
            except UnfitKeyError as error:
                raise KeyFolderError(f"{path.name} {error}") from None
            if key.kid != record.kid:
                raise KeyFolderError(f"{path.name} holds another key")
            if others_may == "write":
                raise KeyFolderError(f"{path.name} can be written by everyone")
            if others_may == "read":
                readable.append(path.name)
            keys[record.kid] = key
        return LoadedKeys(plan, keys, tuple(readable))

    def read_plan(self) -> Plan:
        """Return the plan, empty if there is no manifest. Raises `KeyFolderError`."""
        try:
            with self._manifest.open("rb") as file:
                data = file.read(MAX_MANIFEST_BYTES)
            return Plan.model_validate(parse_json(data))
        except FileNotFoundError:
            if self._path.is_dir():
                return Plan()
            raise KeyFolderError("the folder does not exist") from None
        except OSError as error:
            raise KeyFolderError(f"{MANIFEST} cannot be read: {error.strerror}") from None
        except ValidationError as error:
            text = error.errors(include_input=False, include_url=False)[0]["msg"]
            raise KeyFolderError(f"{MANIFEST} is damaged: {text}") from None
        except ValueError:
            raise KeyFolderError(f"{MANIFEST} is damaged: it is not JSON") from None

    @contextmanager
    def changing(self) -> Iterator[Plan]:
        """Hold the folder's lock for the block, and yield the current plan.

        Creates the folder if it does not exist. Raises `KeyFolderError` and `OSError`.
        """
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform != "win32":  # pragma: no branch - elsewhere one operator at a time
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self.read_plan()
        finally:
            os.close(descriptor)  # Releases the lock.

    def add_key(self, kid: str, pem: bytes) -> None:
        """Write a key's file; call it before writing the plan that names it. Raises `OSError`."""
        write_secret(self._pem(kid), pem)

    def write_plan(self, plan: Plan) -> None:
        """Replace the plan with *plan* atomically, then delete the files of keys that are gone.

        Raises `OSError`.
        """
        fresh = self._manifest.with_suffix(".new")
        fresh.unlink(missing_ok=True)  # Left over from a crash.
        write_secret(fresh, plan.model_dump_json(indent=2).encode() + b"\n")
        fresh.replace(self._manifest)
        folder = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        for record in plan.keys:
            if record.state == "gone":
                with suppress(FileNotFoundError):
                    self._pem(record.kid).unlink()

    def _pem(self, kid: str) -> Path:
        return self._path / f"{kid}.pem"
