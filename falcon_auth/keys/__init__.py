"""Keys: what they are, where they are read from, and how one takes over from another.

`ring` has a key and the ring of those that a service uses, `compact` verifies a token by them,
`pem` reads their files, `checks` says what is fit to be configured; `live` is a ring that changes
while the service runs, by the steps of `rotation`.
"""

from falcon_auth.keys.ring import (
    ASYMMETRIC,
    SYMMETRIC,
    Key,
    KeyRing,
    KeySource,
    UnfitKeyError,
    UnknownKeyError,
)

__all__ = [
    "ASYMMETRIC",
    "SYMMETRIC",
    "Key",
    "KeyRing",
    "KeySource",
    "UnfitKeyError",
    "UnknownKeyError",
]
