"""Forward authentication: a reverse proxy asks before it passes a request to another service."""

from __future__ import annotations

from urllib.parse import quote

import falcon
from falcon import Request, Response

from falcon_auth.access.scopes import is_scope, lacking
from falcon_auth.api.app import AnyMethod
from falcon_auth.errors import InsufficientScopeError

# % is encoded as well, so that an address that looks encoded is not mistaken for an encoded one.
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F)).replace("%", "")


class Check(AnyMethod):
    """Identifies the caller for nginx `auth_request`, Traefik, Caddy and Envoy."""

    def on_any(self, req: Request, resp: Response, **_params: object) -> None:
        """Answer 204 with the user in headers. Raises `InsufficientScopeError`.

        Only the bearer token and the scopes in the query matter.
        """
        caller = req.context.caller
        wanted = {
            scope for value in req.get_param_as_list("scope") or () for scope in value.split(" ")
        } - {""}
        if lacking(caller.scopes, wanted):
            raise InsufficientScopeError(sorted(filter(is_scope, wanted)))
        resp.status = falcon.HTTP_204
        resp.set_header("X-Auth-User", caller.user_id)
        resp.set_header("X-Auth-Email", quote(caller.email, safe=_PLAIN))
        resp.set_header("X-Auth-Scope", " ".join(sorted(caller.scopes)))
