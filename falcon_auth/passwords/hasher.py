"""What a password hash function owes the rest of the service."""

from __future__ import annotations

from typing import Protocol


class Verifier(Protocol):
    """One kind of password hash that accounts may have, whether or not new ones are made.

    Passwords come in as NFKC-normalised text that is valid UTF-8; all of their characters
    count. Stored hashes come from a database, so they may be anything: no method raises because
    of one, and none obeys parameters that would cost much more than today's.

    Safe to call from any thread. The calls that hash take long (0.02 s to 1 s) and let go
    of the interpreter lock meanwhile: they belong on a `HashingPool`.
    """

    kind: str
    """The name of this kind in settings and metrics."""

    def recognises(self, stored: str) -> bool:
        """Whether *stored* is an undamaged hash of this kind, with parameters within bounds."""

    def verify(self, password: str, stored: str) -> bool:
        """Whether *password* is the one behind *stored*, at the cost that *stored* asks for.

        False, and no work done, for a hash that is not recognised.
        """


class Hasher(Verifier, Protocol):
    """A kind that new hashes are made of, at the cost that is set today."""

    def is_current(self, stored: str) -> bool:
        """Whether *stored* is what `hash` would make today, salt and password apart."""

    def hash(self, password: str) -> str:
        """Return a new hash at today's cost, with a random salt of its own."""

    def spend(self, *, less: str | None = None) -> None:
        """Do the work of one hash at today's cost, for its duration only.

        With *less*, do only what verifying that hash falls short of it: nothing if its cost is
        today's or higher, all of it if it is not recognised.
        """
