"""Hashers in the words of the tests."""


def recognises(hasher, stored):
    """Whether *stored* is a whole hash of the hasher's kind, within bounds."""
    return hasher.parse(stored) is not None


def verify(hasher, password, stored):
    """Whether *password* is the one behind *stored*; False where it is not recognised."""
    parsed = hasher.parse(stored)
    return parsed is not None and parsed.matches(password)


def is_kept(hasher, stored):
    """Whether a log-in leaves *stored* as it is."""
    return hasher.suffices(hasher.parse(stored))
