"""Real keys of every kind, made once for the whole run."""

from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


def private_key(kind, number=0):
    """The key of a kind; another *number* is another key."""
    return _make(kind, number)


@cache
def _make(kind, number):
    del number
    return {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "PS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
        "small RSA": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - to be refused
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "Ed448": ed448.Ed448PrivateKey.generate,
        "X25519": x25519.X25519PrivateKey.generate,
    }[kind]()


def private_pem(kind, number=0, password=None):
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return private_key(kind, number).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def public_bytes(kind, number=0, encoding=serialization.Encoding.PEM):
    return (
        private_key(kind, number)
        .public_key()
        .public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def public_der(kind):
    return public_bytes(kind, encoding=serialization.Encoding.DER)
