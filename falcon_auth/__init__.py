"""Falcon Auth: register, log in, refresh, log out, and guard Falcon resources.

    from falcon_auth import public, requires

mark an application's own resources as open to everyone, or as requiring more than a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falcon_auth.api.guard import public, requires

__all__ = ["public", "requires"]
__version__ = "1.0.0"


def __getattr__(name: str) -> object:
    """Import the decorators at their first use, because commands do not need Falcon."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from falcon_auth.api import guard  # noqa: PLC0415 - that is the point

    return getattr(guard, name)
