"""Passkeys: the ceremonies of WebAuthn level 3, based on py_webauthn.

The library is imported for the first ceremony. Checks that it omits are made here and in
`ceremonies`: cross-origin use, attestation formats, the public key itself, the counter (after the
signature), and that backup eligibility does not change.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from falcon_auth.factors.challenges import LIFETIME_SECONDS
from falcon_auth.factors.passkey_data import (
    Asserted,
    PasskeyInvalidError,
    Presented,
    Registered,
    RelyingParty,
)
from falcon_auth.keys.jws import decode_segment, encode_segment
from falcon_auth.models import DEVICE_BOUND_METHOD, SYNCED_METHOD, Factor, User
from falcon_auth.strict_json import parse_json

MAX_CREDENTIAL_ID_BYTES = 1023  # WebAuthn, 5.8.3 and 7.1.
_TRANSPORTS = frozenset({"usb", "nfc", "ble", "smart-card", "hybrid", "internal", "cable"})
_RESPONSE_MEMBERS = (
    "clientDataJSON",
    "attestationObject",
    "authenticatorData",
    "signature",
    "userHandle",
)

log = structlog.get_logger("falcon_auth.passkeys")


class Passkeys:
    """The ceremonies for one relying party. Safe to call from any thread."""

    def __init__(self, party: RelyingParty) -> None:
        self._party = party

    def creation_options(
        self, user: User, challenge: bytes, known: Sequence[Factor]
    ) -> dict[str, Any]:
        """Return `PublicKeyCredentialCreationOptionsJSON`, excluding *known* passkeys."""
        from falcon_auth.factors import ceremonies  # noqa: PLC0415 - a fifth of a second

        return ceremonies.creation_options(
            self._party,
            user_id=uuid.UUID(user.id).bytes,
            user_name=user.email,
            display_name=user.username or user.email,
            challenge=challenge,
            known=known,
            timeout_ms=LIFETIME_SECONDS * 1000,
        )

    def request_options(self, challenge: bytes, allowed: Sequence[Factor] = ()) -> dict[str, Any]:
        """Return `PublicKeyCredentialRequestOptionsJSON`; without *allowed*, for any passkey."""
        from falcon_auth.factors import ceremonies  # noqa: PLC0415 - a fifth of a second

        return ceremonies.request_options(
            self._party, challenge, allowed, timeout_ms=LIFETIME_SECONDS * 1000
        )

    def read(self, credential: Mapping[str, Any]) -> Presented:
        """Parse what a browser's `toJSON()` returned. Raises `PasskeyInvalidError`."""
        with _Refusing("read"):
            response = credential["response"]
            sent = {name: response[name] for name in _RESPONSE_MEMBERS if response.get(name)}
            # Decoded once and encoded again, so that the library sees exactly what was checked
            # here.
            parts = {name: decode_segment(each) for name, each in sent.items()}
            client_data = parse_json(parts["clientDataJSON"])
            if client_data.get("crossOrigin") or "topOrigin" in client_data:
                raise PasskeyInvalidError("cross_origin")
            raw_id = decode_segment(credential["rawId"])
            handle = parts.get("userHandle")
            named = response.get("transports") or []
            transports = [each for each in named if isinstance(each, str)]
            return Presented(
                {
                    "id": encode_segment(raw_id),
                    "rawId": encode_segment(raw_id),
                    "type": "public-key",
                    "response": {
                        **{name: encode_segment(part) for name, part in parts.items()},
                        "transports": sorted(_TRANSPORTS.intersection(transports)),
                    },
                },
                encode_segment(raw_id),
                decode_segment(client_data["challenge"]),
                None if handle is None else str(uuid.UUID(bytes=handle)),
            )

    def verify_registration(self, presented: Presented) -> Registered:
        """Verify a new passkey, whose challenge is valid. Raises `PasskeyInvalidError`."""
        with _Refusing("registration"):
            from falcon_auth.factors import ceremonies  # noqa: PLC0415 - a fifth of a second

            registered = ceremonies.verify_registration(self._party, presented)
            if not 0 < len(decode_segment(registered.credential_id)) <= MAX_CREDENTIAL_ID_BYTES:
                raise PasskeyInvalidError("credential_id")
            return registered

    def verify_assertion(self, presented: Presented, factor: Factor) -> Asserted:
        """Verify the signature of a known passkey. Raises `PasskeyInvalidError`.

        The counter is returned, not checked: the caller compares it, because it can only be trusted
        once the signature has been verified.
        """
        with _Refusing("assertion"):
            from falcon_auth.factors import ceremonies  # noqa: PLC0415 - a fifth of a second

            asserted, backup_eligible = ceremonies.verify_assertion(
                self._party, presented, decode_segment(factor.public_key or "")
            )
            if backup_eligible != factor.backup_eligible:
                raise PasskeyInvalidError("backup_eligibility")
            return asserted


def method_of(factor: Factor) -> str:
    """Return the authentication method of a passkey (RFC 8176, 2)."""
    return SYNCED_METHOD if factor.backup_eligible else DEVICE_BOUND_METHOD


class _Refusing:
    """Turns every exception that hostile input causes into one refusal.

    The library does not only raise exceptions of its own, but also KeyError, TypeError,
    RecursionError and others. Their texts may quote the client's values, so only the class is
    logged.
    """

    def __init__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise `PasskeyInvalidError` instead of any other exception."""
        if error is None:
            return
        reason = error.reason if isinstance(error, PasskeyInvalidError) else type(error).__name__
        log.warning("passkey_refused", step=self._step, reason=reason)
        if isinstance(error, Exception) and not isinstance(error, PasskeyInvalidError):
            raise PasskeyInvalidError(reason) from None
