"""The routes: one a line, and the other paths of the same operations."""

from __future__ import annotations

from falcon_auth.api.app import AuthApp

# The design documents name these paths too; documentation leaves them out.
ALIASES = {
    "/register": "/api/v1/auth/register",
    "/login": "/api/v1/auth/login",
    "/refresh": "/api/v1/auth/refresh",
    "/api/auth/register": "/api/v1/auth/register",
    "/api/auth/login": "/api/v1/auth/login",
    "/api/auth/refresh": "/api/v1/auth/refresh",
    "/api/user/profile": "/api/v1/protected/profile",
}


def add_routes(app: AuthApp, resources: dict[str, object]) -> None:
    """Add every resource at its path, and at its other paths."""
    for path, resource in resources.items():
        app.add_route(path, resource)
    for alias, path in ALIASES.items():
        app.add_route(alias, resources[path])
