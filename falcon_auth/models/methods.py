"""Authentication method references (RFC 8176): how somebody proved who they are."""

from __future__ import annotations

PASSWORD_METHOD = "pwd"  # noqa: S105 - RFC 8176's word
CODE_METHOD = "otp"
DEVICE_BOUND_METHOD = "hwk"  # A passkey that cannot leave its device.
SYNCED_METHOD = "swk"  # One that can.
PROVIDER_METHOD = "fed"  # A log-in by others.
SEVERAL_FACTORS = "mfa"
