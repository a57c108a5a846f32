"""Keys, each bound to one algorithm, and the ring of keys of a service (RFC 7517, RFC 7518)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import Algorithm

from falcon_auth.errors import InvalidTokenError
from falcon_auth.keys.jws import decode_segment, dump_segment, encode_segment

ASYMMETRIC = ("RS256", "PS256", "ES256", "EdDSA")
SYMMETRIC = ("HS256", "HS384", "HS512")
MIN_RSA_BITS = 2048  # RFC 7518, 3.3.
MAX_RSA_BITS = 8192  # The time to verify a signature grows with the square of the size.
DERIVED_KEY_BYTES = 32  # As long as the digest of HS256 (RFC 7518, 3.2).
# The members that the thumbprint covers (RFC 7638, 3.2; RFC 8037, 2); no others are published.
_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class UnfitKeyError(Exception):
    """A key cannot be used. The message says why, and reveals nothing about the key."""


class UnknownKeyError(InvalidTokenError):
    """A token names a key that the ring does not have."""

    def __init__(self) -> None:
        super().__init__("kid")


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A key and the one algorithm that it may be used with. Its repr shows no key material.

    Both halves are parsed once; PyJWT's codec would parse them on every call. Safe to share between
    threads.
    """

    kid: str
    algorithm: str
    signing: Any = field(repr=False)  # None if the key only verifies.
    verifying: Any = field(repr=False)
    implementation: Algorithm = field(repr=False)
    header: str = field(repr=False)  # The encoded header of every token that it signs.
    jwk: Mapping[str, str] | None = field(default=None, repr=False)  # The public half; never HMAC.
    typ: str = field(default="JWT", repr=False)  # The `typ` header of every token that it signs.
    _derived: dict[str, Key] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def symmetric(cls, secret: str, algorithm: str) -> Key:
        """Return an HMAC key. Its `kid` is a one-way hash, which reveals nothing about the key.

        Raises `UnfitKeyError` for the text of an asymmetric key: if a public key were the secret,
        anyone could sign.
        """
        implementation = jwt.get_algorithm_by_name(algorithm)
        try:
            material = implementation.prepare_key(secret)
        except jwt.InvalidKeyError:
            raise UnfitKeyError("is an asymmetric key, which cannot be a secret") from None
        label = b"falcon-auth kid " + algorithm.encode()
        kid = encode_segment(hmac.digest(material, label, hashlib.sha256)[:12])
        return cls(kid, algorithm, material, material, implementation, _header(algorithm, kid))

    @classmethod
    def asymmetric(cls, key: object, algorithm: str) -> Key:
        """Return a key for a private or public key object of `cryptography`.

        Its `kid` is the thumbprint of the public key (RFC 7638). Raises `UnfitKeyError` if the key
        does not have the kind or size that the algorithm requires.
        """
        private = key if isinstance(key, PrivateKey) else None
        public = key if private is None else private.public_key()
        check_fitness(public, algorithm)
        implementation = jwt.get_algorithm_by_name(algorithm)
        members = implementation.to_jwk(public, as_dict=True)
        basis = {name: members[name] for name in _MEMBERS[members["kty"]]}
        kid = thumbprint(basis)
        jwk = MappingProxyType(basis | {"kid": kid, "alg": algorithm, "use": "sig"})
        header = _header(algorithm, kid)
        return cls(kid, algorithm, private, public, implementation, header, jwk)

    def derived(self, token_type: str) -> Key | None:
        """Return the key that signs tokens of one type; only this service can derive it.

        It is an HS256 key with this key's `kid`: HKDF-SHA-256 (RFC 5869; no salt, 32 bytes, info
        `falcon-auth/` and the type) of the secret's bytes, or of the private key as PKCS #8 DER. It
        is not in any key set, so no other verifier can take such a token for an access token, and a
        token of one type is never accepted as another (RFC 8725, 3.11 and 3.12).

        Returns None if this key has no private half. *token_type* must be a constant, never a value
        from a token: every derived key is cached as long as this key exists.
        """
        if self.signing is None:
            return None
        known = self._derived.get(token_type)
        return known or self._derived.setdefault(token_type, self._derive(token_type))

    def _derive(self, token_type: str) -> Key:
        info = f"falcon-auth/{token_type}".encode()
        hkdf = HKDF(hashes.SHA256(), DERIVED_KEY_BYTES, salt=None, info=info)
        material = hkdf.derive(self._private_bytes())
        typ = f"{token_type}+jwt"
        implementation = jwt.get_algorithm_by_name("HS256")
        header = _header("HS256", self.kid, typ)
        return Key(self.kid, "HS256", material, material, implementation, header, typ=typ)

    def _private_bytes(self) -> bytes:
        if isinstance(self.signing, PrivateKey):
            return self.signing.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        secret: bytes = self.signing
        return secret

    def sign(self, payload: Mapping[str, Any]) -> str:
        """Return a payload as a signed token (JWS compact serialization, RFC 7515, 3.1)."""
        signed = f"{self.header}.{dump_segment(payload)}"
        signature = self.implementation.sign(signed.encode(), self.signing)
        return f"{signed}.{encode_segment(signature)}"

    def verifies(self, signed: str, signature: str) -> bool:
        """Return whether *signature* (base64url) is this key's for the ASCII text *signed*."""
        return self.implementation.verify(
            signed.encode(), self.verifying, decode_segment(signature)
        )


class KeySource(Protocol):
    """A source of keys, which may change over time. Safe to call from any thread."""

    def current(self) -> KeyRing:
        """Return the current ring."""

    def key_for(self, kid: str) -> Key:
        """Return the key with that id. Raises `UnknownKeyError`.

        A source that fetches its keys may fetch them again before it gives up on an unknown id.
        """


class KeyRing:
    """The keys of a service: the first one signs, and all of them verify. Immutable.

    An empty ring, in a service that only verifies, refuses every token.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = tuple({key.kid: key for key in reversed(keys)}.values())[::-1]
        self._by_kid = {
            key.kid: key for key in self.keys
        }  # Duplicates have been removed; the first was kept.

    @property
    def signing_key(self) -> Key:
        """The key that signs."""
        return self.keys[0]

    def current(self) -> KeyRing:
        """Return itself: a ring is also a source of keys that never change."""
        return self

    def key_for(self, kid: str) -> Key:
        """Return the key with that id. Raises `UnknownKeyError`."""
        key = self._by_kid.get(kid)
        if key is None:
            raise UnknownKeyError
        return key

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the JSON Web Key Set (RFC 7517, 5): public keys only, never an HMAC key."""
        return {"keys": [dict(key.jwk) for key in self.keys if key.jwk is not None]}


def check_fitness(public: object, algorithm: str) -> None:
    """Raise `UnfitKeyError` unless *public* has the kind and size that the algorithm requires."""
    if algorithm in {"RS256", "PS256"}:
        if not isinstance(public, rsa.RSAPublicKey):
            raise UnfitKeyError(f"is not an RSA key, which {algorithm} needs")
        if not MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS:
            raise UnfitKeyError(f"needs {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    elif algorithm == "ES256":
        if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
            raise UnfitKeyError("is not a key on the curve P-256, which ES256 needs")
    elif not isinstance(public, ed25519.Ed25519PublicKey):
        raise UnfitKeyError("is not an Ed25519 key, which EdDSA needs")


def thumbprint(basis: Mapping[str, str]) -> str:
    """Return the JWK thumbprint (RFC 7638): SHA-256 of the members in canonical form."""
    text = json.dumps(basis, separators=(",", ":"), sort_keys=True)
    return encode_segment(hashlib.sha256(text.encode()).digest())


def _header(algorithm: str, kid: str, typ: str = "JWT") -> str:
    return dump_segment({"alg": algorithm, "kid": kid, "typ": typ})
