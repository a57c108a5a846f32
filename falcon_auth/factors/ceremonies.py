"""The calls to py_webauthn, and the checks that it omits; used by `passkeys` only.

Importing this module takes 0.2 s, so it is imported for the first ceremony.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
    parse_attestation_object,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from falcon_auth.factors.passkey_data import (
    Asserted,
    PasskeyInvalidError,
    Presented,
    Registered,
    RelyingParty,
)
from falcon_auth.keys.jws import decode_segment, encode_segment
from falcon_auth.models import Factor

MIN_RSA_BITS = 2048  # RFC 7518, 3.3.
MAX_RSA_BITS = 4096  # The time to verify a signature grows with the square of the size.
ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]


def creation_options(
    party: RelyingParty,
    *,
    user_id: bytes,
    user_name: str,
    display_name: str,
    challenge: bytes,
    known: Sequence[Factor],
    timeout_ms: int,
) -> dict[str, Any]:
    """Return `PublicKeyCredentialCreationOptionsJSON`: discoverable, with user verification."""
    return options_to_json_dict(
        generate_registration_options(
            rp_id=party.id,
            rp_name=party.name,
            user_id=user_id,
            user_name=user_name,
            user_display_name=display_name,
            challenge=challenge,
            timeout=timeout_ms,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(known),
            supported_pub_key_algs=ALGORITHMS,
        )
    )


def request_options(
    party: RelyingParty, challenge: bytes, allowed: Sequence[Factor], *, timeout_ms: int
) -> dict[str, Any]:
    """Return `PublicKeyCredentialRequestOptionsJSON`, with user verification."""
    return options_to_json_dict(
        generate_authentication_options(
            rp_id=party.id,
            challenge=challenge,
            timeout=timeout_ms,
            allow_credentials=_descriptors(allowed),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def verify_registration(party: RelyingParty, presented: Presented) -> Registered:
    """Verify a registration (WebAuthn, 7.1). Raises any exception of the library."""
    response = presented.credential["response"]
    encoded = base64url_to_bytes(response["attestationObject"])
    reader = BytesIO(encoded)
    cbor2.load(reader)
    if reader.tell() != len(encoded):  # The library ignores what follows the object.
        raise PasskeyInvalidError("trailing_bytes")
    attestation = parse_attestation_object(encoded)
    is_self_signed = attestation.fmt == AttestationFormat.PACKED and not attestation.att_stmt.x5c
    if attestation.fmt != AttestationFormat.NONE and not is_self_signed:
        # No attestation was requested; without root certificates, any chain would prove nothing.
        raise PasskeyInvalidError("attestation")
    verified = verify_registration_response(
        credential=dict(presented.credential),
        expected_challenge=presented.challenge,
        expected_rp_id=party.id,
        expected_origin=list(party.origins),
        require_user_verification=True,
        supported_pub_key_algs=ALGORITHMS,
    )
    _check_key(verified.credential_public_key)
    return Registered(
        credential_id=encode_segment(verified.credential_id),
        public_key=encode_segment(verified.credential_public_key),
        sign_count=verified.sign_count,
        backup_eligible=_may_leave_its_device(verified.credential_device_type),
        backed_up=verified.credential_backed_up,
        transports=tuple(response["transports"]),
    )


def verify_assertion(
    party: RelyingParty, presented: Presented, public_key: bytes
) -> tuple[Asserted, bool]:
    """Verify an assertion (WebAuthn, 7.2); also return whether the passkey is backup eligible."""
    verified = verify_authentication_response(
        credential=dict(presented.credential),
        expected_challenge=presented.challenge,
        expected_rp_id=party.id,
        expected_origin=list(party.origins),
        credential_public_key=public_key,
        # The library checks the counter before the signature, so somebody without the key could
        # cause the error that it raises for a counter.
        credential_current_sign_count=0,
        require_user_verification=True,
    )
    asserted = Asserted(verified.new_sign_count, verified.credential_backed_up)
    return asserted, _may_leave_its_device(verified.credential_device_type)


def _check_key(encoded: bytes) -> None:
    """Raise for a key that does not suit its algorithm, because the library accepts any key."""
    decoded = decode_credential_public_key(encoded)
    key = decoded_public_key_to_cryptography(decoded)
    algorithm = decoded.alg
    is_fit = (
        (
            algorithm == COSEAlgorithmIdentifier.ECDSA_SHA_256
            and isinstance(key, ec.EllipticCurvePublicKey)
            and isinstance(key.curve, ec.SECP256R1)
        )
        or (
            algorithm == COSEAlgorithmIdentifier.EDDSA and isinstance(key, ed25519.Ed25519PublicKey)
        )
        or (
            algorithm == COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256
            and isinstance(key, rsa.RSAPublicKey)
            and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
        )
    )
    if not is_fit:
        raise PasskeyInvalidError("public_key")


def _may_leave_its_device(kind: CredentialDeviceType) -> bool:
    return kind == CredentialDeviceType.MULTI_DEVICE


def _descriptors(passkeys: Sequence[Factor]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=decode_segment(each.credential_id or ""),
            transports=[AuthenticatorTransport(name) for name in each.transports] or None,
        )
        for each in passkeys
    ]
