"""The JSON that clients see of each record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from falcon_auth.models import AuditEvent, Factor, Identity, Role, Session, User
from falcon_auth.sessions.tokens import AccessToken, TokenPair


@lru_cache(4096)  # A record's times are shown far oftener than they change.
def show_time(seconds: float) -> str:
    """Return epoch seconds as RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def show_user(user: User) -> dict[str, Any]:
    """Return a user as in `schemas/user.json`, without the password hash."""
    return {
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "username": user.username,
        "is_active": user.is_active,
        "created_at": show_time(user.created_at),
        "updated_at": show_time(user.updated_at),
        "last_login_at": None if user.last_login_at is None else show_time(user.last_login_at),
    }


def show_listed_user(user: User) -> dict[str, Any]:
    """Return a user as in `schemas/listed_user.json`."""
    return show_user(user) | {"roles": list(user.roles), "factors": user.factor_count}


def show_managed_user(user: User, factors: Iterable[Factor]) -> dict[str, Any]:
    """Return a user as in `schemas/managed_user.json`; *factors* are those that count."""
    shown = [show_factor(each) for each in factors]
    return show_user(user) | {"roles": list(user.roles), "factors": shown}


def show_tokens(pair: TokenPair) -> dict[str, Any]:
    """Show a token pair: `…_in` in seconds, `…_at` in epoch seconds."""
    return {
        "access_token": pair.access.text,
        "refresh_token": pair.refresh.text,
        "token_type": "bearer",
        "expires_in": max(0, pair.access.expires_at - pair.issued_at),
        "expires_at": pair.access.expires_at,
        "refresh_expires_in": max(0, pair.refresh.expires_at - pair.issued_at),
        "refresh_expires_at": pair.refresh.expires_at,
        "user": show_user(pair.user),
    }


def show_session(session: Session, *, current: str) -> dict[str, Any]:
    """Return a session as in `schemas/session.json`; *current* is the id of the caller's own."""
    return {
        "id": session.id,
        "created_at": show_time(session.created_at),
        "last_used_at": show_time(session.last_used_at),
        "expires_at": show_time(session.expires_at),
        "user_agent": session.user_agent,
        "ip": session.ip,
        "current": session.id == current,
        "amr": list(session.amr),
    }


def show_access(token: AccessToken) -> dict[str, Any]:
    """Show another access token of a session."""
    return {
        "access_token": token.access.text,
        "token_type": "bearer",
        "expires_in": max(0, token.access.expires_at - token.issued_at),
        "expires_at": token.access.expires_at,
    }


def show_factor(factor: Factor) -> dict[str, Any]:
    """Show a factor, without secrets and keys."""
    return {
        "id": factor.id,
        "kind": factor.kind,
        "name": factor.name,
        "created_at": show_time(factor.created_at),
        "last_used_at": None if factor.last_used_at is None else show_time(factor.last_used_at),
    }


def show_role(role: Role) -> dict[str, Any]:
    """Show a role as in `schemas/role.json`."""
    return {"name": role.name, "scopes": list(role.scopes)}


def show_event(event: AuditEvent) -> dict[str, Any]:
    """Return an event of the audit trail as in `schemas/audit_event.json`."""
    return {
        "id": event.id,
        "at": show_time(event.at),
        "event": event.event,
        "outcome": event.outcome,
        "actor": event.actor,
        "subject": event.subject,
        "ip": event.ip,
        "user_agent": event.user_agent,
        "request_id": event.request_id,
        "details": dict(event.details),
    }


def show_identity(identity: Identity) -> dict[str, Any]:
    """Show an identity: its provider and the address there, without the provider's subject."""
    used_at = identity.last_used_at
    return {
        "id": identity.id,
        "provider": identity.provider,
        "email": identity.email,
        "created_at": show_time(identity.created_at),
        "last_used_at": None if used_at is None else show_time(used_at),
    }
