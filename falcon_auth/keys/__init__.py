"""Signing keys: their types, where they are loaded from, and how they are rotated.

`ring` defines a key and the ring of keys that a service uses, `compact` verifies tokens with them,
and `pem` reads and writes key files. `live` is a ring that follows a `folder` of keys while the
service runs; `rotation` has the rules for changing that folder. `service_credentials` has the
tokens by which other services authenticate.
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
