"""Scopes (RFC 6749, 3.3): the names of permissions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

ADMIN = "admin"  # The scope that includes every scope, and the built-in role that has it.
SCOPE_PATTERN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749's scope-token.
# The service's own scopes, which are always declared.
USERS_READ = "users:read"
USERS_WRITE = "users:write"
ROLES_WRITE = "roles:write"
AUDIT_READ = "audit:read"
OWN_SCOPES = frozenset({ADMIN, USERS_READ, USERS_WRITE, ROLES_WRITE, AUDIT_READ})


def is_scope(text: str) -> bool:
    """Return whether *text* is a syntactically valid scope."""
    return SCOPE_PATTERN.fullmatch(text) is not None


def lacking(held: Collection[str], wanted: Iterable[str]) -> list[str]:
    """Return those of *wanted*, sorted, that *held* do not include; `admin` includes every one."""
    return [] if ADMIN in held else sorted(scope for scope in wanted if scope not in held)
