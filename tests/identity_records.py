"""Identities as stores keep them."""

from __future__ import annotations

import uuid

from store_records import NOW

from falcon_auth.models import Identity


def new_identity(user, subject="subject", **more):
    values = {
        "id": str(uuid.uuid4()),
        "provider": "idp",
        "issuer": "https://idp.example",
        "email": user.email,
        "created_at": NOW,
    }
    return Identity(user_id=user.id, subject=subject, **(values | more))
