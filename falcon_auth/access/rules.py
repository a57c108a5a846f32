"""The rules of administrative changes: nobody can grant a scope that they do not have.

The stores apply them in the same step as the change, so that they are decided on the current state.
"""

from __future__ import annotations

from collections.abc import Collection

from falcon_auth.access.scopes import ADMIN, lacking
from falcon_auth.errors import InsufficientScopeError, RevokedTokenError
from falcon_auth.models import User
from falcon_auth.store.roles import Authority


def check_authority(authority: Authority, actor: User | None, *touched: Collection[str]) -> None:
    """Refuse an actor who lacks a scope that the change affects.

    *actor* is the current state of the user of *authority*. *touched* are the scopes of the changed
    user, and of the roles that are granted, revoked, defined or deleted. Raises
    `InsufficientScopeError`, and `RevokedTokenError` if the actor is disabled or deleted.
    """
    if actor is None or not actor.is_active:
        raise RevokedTokenError
    lacked = lacking(actor.scopes, {authority.scope}.union(*touched))
    if lacked:
        raise InsufficientScopeError(lacked)


def is_administrator(user: User) -> bool:
    """Return whether a user is an administrator: active, and with the scope `admin`."""
    return user.is_active and ADMIN in user.scopes
