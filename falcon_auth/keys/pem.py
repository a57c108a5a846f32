"""Keys in PEM files: reading, checking and writing them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from falcon_auth.keys.ring import ASYMMETRIC, Key, PrivateKey, PublicKey, UnfitKeyError

MAX_FILE_BYTES = 64 * 1024  # An RSA key of 8,192 bits takes 6.5 KiB.
NEW_RSA_BITS = 3072  # As strong as the other algorithms' 128 bits (NIST SP 800-57).
_TWICE = "is already used with another algorithm; use a key with one algorithm only (RFC 8725, 3.1)"
_OF_KIND = {ec.EllipticCurvePublicKey: "ES256", ed25519.Ed25519PublicKey: "EdDSA"}


def read_pem(path: Path) -> bytes:
    """Return a file's content. Raises `UnfitKeyError` without quoting the content or the path."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UnfitKeyError(f"cannot be read: {error.strerror}") from None
    except ValueError:  # A NUL in the name.
        raise UnfitKeyError("cannot be read: that is not a file name") from None
    if len(data) > MAX_FILE_BYTES:
        raise UnfitKeyError("is too large for a key")
    return data


def parse_pem(data: bytes, algorithm: str, *, to_sign: bool = True) -> Key:
    """Return the key in PEM text; unless *to_sign*, a public key is enough. Raises `UnfitKeyError`.

    A private key is kept in either case, because other keys are derived from it (see
    `Key.derived`).
    """
    key = _parse(data)
    if to_sign and isinstance(key, PublicKey):
        raise UnfitKeyError("is a public key; signing needs the private one")
    return Key.asymmetric(key, algorithm)


def read_previous(entry: Path, algorithm: str) -> Key:
    """Return a verifying key for one entry of JWT_PREVIOUS_KEY_FILES.

    A public key verifies access tokens only, a private key refresh tokens as well. The kind of key
    determines the algorithm; for an RSA key it is *algorithm* if that is an RSA algorithm,
    otherwise RS256, unless the entry names another: `PS256:old.pem`. Raises `UnfitKeyError`.
    """
    named, separator, rest = str(entry).partition(":")
    if separator and named in ASYMMETRIC:
        return parse_pem(read_pem(Path(rest)), named, to_sign=False)
    data = read_pem(entry)
    key = _parse(data)
    public = key.public_key() if isinstance(key, PrivateKey) else key
    fallback = algorithm if algorithm in {"RS256", "PS256"} else "RS256"
    kind = next((_OF_KIND[kind] for kind in _OF_KIND if isinstance(public, kind)), fallback)
    return Key.asymmetric(key, kind)


def read_key_files(
    algorithm: str, signing: Path | None, previous: Sequence[Path]
) -> tuple[list[Key], list[str]]:
    """Read the files that the settings name; return their keys and any faults.

    The key of *signing* comes first, and signs if *algorithm* is asymmetric. A fault begins with
    the variable's name and never quotes the path, because somebody may have set the variable to a
    key.
    """
    keys: list[Key] = []
    faults = []
    if signing is not None:
        try:
            to_sign = algorithm in ASYMMETRIC
            keys.append(
                parse_pem(read_pem(signing), algorithm)
                if to_sign
                else read_previous(signing, algorithm)
            )
        except UnfitKeyError as error:
            faults.append(f"JWT_PRIVATE_KEY_FILE: {error}")
    for number, entry in enumerate(previous, start=1):
        try:
            key = read_previous(entry, algorithm)
        except UnfitKeyError as error:
            faults.append(f"JWT_PREVIOUS_KEY_FILES: number {number} {error}")
            continue
        if any(other.kid == key.kid and other.algorithm != key.algorithm for other in keys):
            faults.append(f"JWT_PREVIOUS_KEY_FILES: number {number} {_TWICE}")
        keys.append(key)
    return keys, faults


def make_pem(algorithm: str) -> bytes:
    """Return a new private key for an algorithm, as PKCS #8."""
    key: PrivateKey
    if algorithm == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
    elif algorithm == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=NEW_RSA_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_secret(path: Path, data: bytes) -> None:
    """Create a file that only its owner may read. Raises `OSError`, also if the file exists."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def open_to_others(path: Path) -> str | None:
    """Return "write" or "read" if every user of the machine may do that with the file."""
    mode = path.stat().st_mode
    if mode & stat.S_IWOTH:
        return "write"
    return "read" if mode & stat.S_IROTH else None


def _parse(data: bytes) -> object:
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise UnfitKeyError("is encrypted; keys are read without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        pass
    try:
        return serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitKeyError("is not a key in PEM format") from None
