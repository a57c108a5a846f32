"""The definitions of roles."""

from __future__ import annotations

import falcon
from falcon import Request, Response

from falcon_auth.access.roles import Roles
from falcon_auth.access.scopes import ROLES_WRITE
from falcon_auth.api.bodies import BodyReader
from falcon_auth.api.guard import requires
from falcon_auth.api.views import show_role


@requires(ROLES_WRITE)
class RoleList:
    """All roles."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles

    def on_get(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - Falcon's shape
        """Answer 200 with all roles, ordered by name."""
        resp.media = {"roles": [show_role(role) for role in self._roles.list()]}


@requires(ROLES_WRITE, recent=True)
class RoleItem:
    """One role."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._body = BodyReader("role_definition")

    def on_put(self, req: Request, resp: Response, name: str) -> None:
        """Define or redefine the role; answer 200 with it."""
        scopes = self._body.read(req)["scopes"]
        resp.media = show_role(self._roles.define(name, scopes, req.context.caller))

    def on_delete(self, req: Request, resp: Response, name: str) -> None:
        """Delete the role, and take it from everybody; answer 204."""
        self._roles.delete(name, req.context.caller)
        resp.status = falcon.HTTP_204
