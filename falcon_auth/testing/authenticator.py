"""An authenticator in software: makes passkeys and signs, in the form of a browser's `toJSON()`.

It always verifies its user. Attributes and arguments let a test make anything wrong.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from falcon_auth.keys.jws import decode_segment, encode_segment

ORIGIN = "http://localhost:8000"  # According to the kit's settings, which are the defaults.
USER_PRESENT, USER_VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, ATTESTED = 1, 4, 8, 16, 64
ES256, EDDSA, RS256 = -7, -8, -257

Sign = Callable[[bytes], bytes]


@dataclass
class Passkey:
    """One passkey; *count* is the counter in its next signature."""

    id: bytes
    user_handle: bytes
    cose_key: Mapping[int, Any]
    sign: Sign = field(repr=False)
    count: int = 0


@dataclass
class Authenticator:
    """A device with passkeys: with a counter if it *counts*, backed up if it is *synced*."""

    origin: str = ORIGIN
    rp_id: str = "localhost"
    algorithm: int = ES256
    counts: bool = True
    synced: bool = False
    flags: int = USER_PRESENT | USER_VERIFIED
    client_data: Mapping[str, Any] = field(default_factory=dict)  # More, or other, members.
    passkeys: list[Passkey] = field(default_factory=list)

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Make a passkey for `PublicKeyCredentialCreationOptionsJSON`."""
        key, sign = _KEYS[self.algorithm]()
        handle = decode_segment(options["user"]["id"])
        passkey = Passkey(secrets.token_bytes(16), handle, key, sign)
        self.passkeys.append(passkey)
        attested = bytes(16) + len(passkey.id).to_bytes(2, "big") + passkey.id + cbor2.dumps(key)
        data = self._authenticator_data(passkey, ATTESTED) + attested
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        client_data = self._client_data("webauthn.create", options["challenge"])
        return _credential(
            passkey,
            clientDataJSON=client_data,
            attestationObject=cbor2.dumps(statement),
        )

    def get(self, options: Mapping[str, Any], passkey: Passkey | None = None) -> dict[str, Any]:
        """Sign for `PublicKeyCredentialRequestOptionsJSON`, by default with the last passkey."""
        passkey = passkey or self.passkeys[-1]
        passkey.count += self.counts
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._authenticator_data(passkey, 0)
        signature = passkey.sign(data + hashlib.sha256(client_data).digest())
        return _credential(
            passkey,
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=signature,
            userHandle=passkey.user_handle,
        )

    def _authenticator_data(self, passkey: Passkey, flags: int) -> bytes:
        flags |= self.flags | (BACKUP_ELIGIBLE | BACKED_UP if self.synced else 0)
        rp_hash = hashlib.sha256(self.rp_id.encode()).digest()
        return rp_hash + bytes([flags]) + passkey.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        members = {"type": kind, "challenge": challenge, "origin": self.origin}
        return json.dumps(members | {"crossOrigin": False} | dict(self.client_data)).encode()


def _credential(passkey: Passkey, **response: bytes) -> dict[str, Any]:
    name = encode_segment(passkey.id)
    encoded = {member: encode_segment(data) for member, data in response.items()}
    return {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "response": {**encoded, "transports": ["internal"]},
        "clientExtensionResults": {},
        "authenticatorAttachment": "platform",
    }


def _es256() -> tuple[dict[int, Any], Sign]:
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    cose = {1: 2, 3: ES256, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
    return cose, lambda data: key.sign(data, ec.ECDSA(hashes.SHA256()))


def _eddsa() -> tuple[dict[int, Any], Sign]:
    key = ed25519.Ed25519PrivateKey.generate()
    return {1: 1, 3: EDDSA, -1: 6, -2: key.public_key().public_bytes_raw()}, key.sign


def _rs256() -> tuple[dict[int, Any], Sign]:
    key = rsa.generate_private_key(65537, 2048)
    modulus = key.public_key().public_numbers().n.to_bytes(256, "big")
    cose = {1: 3, 3: RS256, -1: modulus, -2: b"\1\0\1"}
    return cose, lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


_KEYS: dict[int, Callable[[], tuple[dict[int, Any], Sign]]] = {
    ES256: _es256,
    EDDSA: _eddsa,
    RS256: _rs256,
}
