"""The interface of password hash functions."""

from __future__ import annotations

from typing import Protocol


class StoredHash(Protocol):
    """A parsed hash from the store: undamaged, with its parameters within bounds.

    Immutable, and safe to share between threads.
    """

    def matches(self, password: str) -> bool:
        """Whether *password* is the one behind this hash, at the cost that the hash asks for.

        Takes long (0.02 s to 1 s) and lets go of the interpreter lock meanwhile.
        """


class Verifier(Protocol):
    """One kind of password hash that accounts may have, whether or not new ones are made.

    Passwords come in as NFKC-normalised text that is valid UTF-8; all of their characters
    count. Stored hashes come from a database, so they may be anything: `parse` never raises
    because of one, and accepts no parameters that would cost much more than today's.

    Safe to call from any thread. The calls that hash take long and let go of the interpreter
    lock meanwhile: they belong on a `HashingPool`.
    """

    kind: str
    """The name of this kind in settings and metrics."""

    def parse(self, stored: str) -> StoredHash | None:
        """Parse *stored*; None unless it is an undamaged hash of this kind, within bounds.

        Takes microseconds: nothing is hashed.
        """


class Hasher(Verifier, Protocol):
    """A kind that new hashes are made of, at the cost that is set today."""

    def suffices(self, stored: StoredHash) -> bool:
        """Return whether *stored* is of this kind and at least at today's cost.

        What does not is replaced when its user logs in. A dearer hash is kept: replacing it would
        make it easier to break.
        """

    def hash(self, password: str) -> str:
        """Return a new hash at today's cost, with a random salt of its own."""

    def spend(self, *, less: StoredHash | None = None) -> None:
        """Do the work of one hash at today's cost, for its duration only.

        With *less*, do only what verifying that hash falls short of it: nothing if its cost is
        today's or higher, all of it if it is of another kind.
        """
