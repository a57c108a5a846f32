"""Export users in the format that `importing` reads."""

from __future__ import annotations

from typing import Any

from falcon_auth.models import User


def export_user(user: User) -> dict[str, Any]:
    """Return the members of one line of an export: the user's own data.

    They include the password hash, the names of the roles, and the versions of password and
    address, so that links which were used here do not work again after an import. Times are in
    epoch seconds. Sessions, factors and the audit trail are not included.
    """
    return {
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "email_version": user.email_version,
        "username": user.username,
        "password_hash": user.password_hash if user.has_password else None,
        "password_version": user.password_version,
        "is_active": user.is_active,
        "roles": list(user.roles),
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "last_login_at": user.last_login_at,
    }
