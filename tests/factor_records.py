"""Factors as stores keep them, and users who have some."""

from __future__ import annotations

import uuid
from dataclasses import replace

from store_records import NOW

from falcon_auth.models import Effects, Factor, RecoveryCodes
from falcon_auth.store import Activation

LIMIT = 20


def new_factor(user, kind="totp", **more):
    values = {"name": "Phone", "created_at": NOW, "secret": "sealed"}
    return Factor(id=str(uuid.uuid4()), user_id=user.id, kind=kind, **(values | more))


def new_passkey(user, credential_id="credential", **more):
    values = {"secret": None, "confirmed_at": NOW, "public_key": "key", "transports": ("internal",)}
    return new_factor(user, "passkey", credential_id=credential_id, **(values | more))


def new_codes(user, *hashes):
    factor = new_factor(user, "recovery_code", confirmed_at=NOW)
    return RecoveryCodes(factor=factor, hashes=hashes or ("hash-1", "hash-2"))


def activate(store, user, session, factor, *, challenge=None, now=NOW, effects=None, limit=LIMIT):
    confirmed = replace(session, amr=("pwd", "otp", "mfa"))
    activation = Activation(user, factor, confirmed, now, new_codes(user), challenge)
    return store.factors.activate(activation, limit=limit, effects=effects or Effects())


def with_app(store, user, session, *, step=100):
    pending = new_factor(user)
    assert store.factors.add_pending(pending, limit=LIMIT)
    app = replace(pending, confirmed_at=NOW, last_step=step)
    assert activate(store, user, session, app) is not None
    return app
