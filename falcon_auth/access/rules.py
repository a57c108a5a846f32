"""Nobody gives what they do not have: the rules of administrative changes.

The stores apply them in the step that makes the change, so that they are decided on what is true
at that moment.
"""

from __future__ import annotations

from collections.abc import Collection

from falcon_auth.access.scopes import ADMIN, lacking
from falcon_auth.errors import InsufficientScopeError, RevokedTokenError
from falcon_auth.models import User
from falcon_auth.store.roles import Authority


def check_authority(authority: Authority, actor: User | None, *touched: Collection[str]) -> None:
    """Refuse an actor who lacks a scope of what the change touches.

    *actor* is the user of *authority* as stored now. *touched* are the scopes of the user who is
    changed and those of the roles that are granted, revoked, defined or deleted. Raises
    `InsufficientScopeError`, and `RevokedTokenError` for an actor who is disabled or deleted.
    """
    if actor is None or not actor.is_active:
        raise RevokedTokenError
    lacked = lacking(actor.scopes, {authority.scope}.union(*touched))
    if lacked:
        raise InsufficientScopeError(lacked)


def is_administrator(user: User) -> bool:
    """Return whether a user counts as an administrator: who is active and has `admin`."""
    return user.is_active and ADMIN in user.scopes
