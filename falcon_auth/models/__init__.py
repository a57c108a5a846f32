"""The records that the service keeps. All are frozen values, safe to share.

Times are epoch seconds in UTC, as `time.time()` gives them.
"""

from __future__ import annotations

from falcon_auth.models.effects import (
    NO_EFFECTS,
    AuditEvent,
    Effects,
    Failure,
    FailureCount,
    Message,
)
from falcon_auth.models.factors import (
    Factor,
    FactorKind,
    FactorUse,
    RecoveryCodes,
    SpentChallenge,
)
from falcon_auth.models.ids import (
    RANDOM_BITS,
    time_ordered_id,
)
from falcon_auth.models.methods import (
    CODE_METHOD,
    DEVICE_BOUND_METHOD,
    PASSWORD_METHOD,
    PROVIDER_METHOD,
    SEVERAL_FACTORS,
    SYNCED_METHOD,
)
from falcon_auth.models.sessions import (
    Caller,
    Client,
    IdentityUse,
    Login,
    Session,
)
from falcon_auth.models.users import (
    NO_PASSWORD,
    Identity,
    Role,
    User,
)

__all__ = [
    "CODE_METHOD",
    "DEVICE_BOUND_METHOD",
    "NO_EFFECTS",
    "NO_PASSWORD",
    "PASSWORD_METHOD",
    "PROVIDER_METHOD",
    "RANDOM_BITS",
    "SEVERAL_FACTORS",
    "SYNCED_METHOD",
    "AuditEvent",
    "Caller",
    "Client",
    "Effects",
    "Factor",
    "FactorKind",
    "FactorUse",
    "Failure",
    "FailureCount",
    "Identity",
    "IdentityUse",
    "Login",
    "Message",
    "RecoveryCodes",
    "Role",
    "Session",
    "SpentChallenge",
    "User",
    "time_ordered_id",
]
