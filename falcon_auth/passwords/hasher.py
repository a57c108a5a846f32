"""The interface of password hash functions."""

from __future__ import annotations

from typing import Protocol


class StoredHash(Protocol):
    """A parsed hash from the store: undamaged, with its parameters within bounds.

    Immutable, and safe to share between threads.
    """

    def matches(self, password: str) -> bool:
        """Whether this is the hash of *password*, computed at the hash's own cost.

        Takes 0.02 s to 1 s, during which the interpreter lock is released.
        """


class Verifier(Protocol):
    """One kind of password hash that accounts may have, whether or not new ones are created.

    Passwords are NFKC-normalised text without lone surrogates; every character is significant.
    Stored hashes come from a database and may contain anything: `parse` never raises because of
    one, and accepts no parameters that would cost much more than today's.

    Safe to call from any thread. The methods that hash take long, with the interpreter lock
    released, so call them on a `HashingPool`.
    """

    kind: str
    """The name of this kind in settings and metrics."""

    def parse(self, stored: str) -> StoredHash | None:
        """Parse *stored*; None unless it is an undamaged hash of this kind, within bounds.

        Takes microseconds, because nothing is hashed.
        """


class Hasher(Verifier, Protocol):
    """A kind of hash that can also be created, at the configured cost."""

    def suffices(self, stored: StoredHash) -> bool:
        """Return whether *stored* is of this kind and costs at least as much as a new hash.

        Other hashes are replaced when their users log in. A costlier hash is kept, because
        replacing it would make it easier to break.
        """

    def hash(self, password: str) -> str:
        """Return a new hash at today's cost, with a new random salt."""

    def spend(self, *, less: StoredHash | None = None) -> None:
        """Spend the time of one hash at today's cost, and discard the result.

        With *less*, spend only the difference to the cost of verifying that hash: nothing if it
        costs as much or more, and all if it is of another kind.
        """
