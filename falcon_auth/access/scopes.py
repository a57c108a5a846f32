"""Scopes (RFC 6749, 3.3): the names of permissions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

ADMIN = "admin"  # The scope that includes every scope, and the built-in role that has it.
SCOPE_PATTERN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749's scope-token.
_ROLE_NAME = re.compile(r"[a-z][a-z0-9_.:-]{0,49}")
# The service's own scopes, which are always declared.
USERS_READ = "users:read"
USERS_WRITE = "users:write"
ROLES_WRITE = "roles:write"
AUDIT_READ = "audit:read"
OWN_SCOPES = frozenset({ADMIN, USERS_READ, USERS_WRITE, ROLES_WRITE, AUDIT_READ})
# Of all scopes that are declared, with the spaces between them: a token that holds every one of
# them stays well below the 4 KiB that one may have.
MAX_SCOPES_LENGTH = 1024


def is_scope(text: str) -> bool:
    """Return whether *text* is a syntactically valid scope."""
    return SCOPE_PATTERN.fullmatch(text) is not None


def is_role_name(text: str) -> bool:
    """Return whether *text* can name a role: a letter, then up to 49 of `a-z0-9_.:-`."""
    return _ROLE_NAME.fullmatch(text) is not None


def lacking(held: Collection[str], wanted: Iterable[str]) -> list[str]:
    """Return those of *wanted*, sorted, that *held* do not include; `admin` includes every one."""
    return [] if ADMIN in held else sorted(scope for scope in wanted if scope not in held)


class UndeclaredScopeError(ValueError):
    """A resource asks for a scope that nobody declared: it is misspelt, or SCOPES lacks it."""


def require_declared(wanted: Iterable[str], declared: Collection[str], *, where: str) -> None:
    """Raise `UndeclaredScopeError` for the first of *wanted* that is not *declared*.

    *where* says what asks for it. The service's own scopes are declared anyway.
    """
    known = {*declared, *OWN_SCOPES}
    for scope in sorted({*wanted} - known):
        nearest = get_close_matches(scope, known, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        message = f"{where} requires the scope {scope!r}, which is not declared{hint}"
        raise UndeclaredScopeError(message)
