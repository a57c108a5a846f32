"""Server metadata (RFC 8414): where other services find keys and endpoints."""

from __future__ import annotations

from collections.abc import Collection

from falcon import Request, Response

from falcon_auth.api.bodies import MEDIA_JSON
from falcon_auth.api.guard import public
from falcon_auth.api.resources.files import File, Shelf
from falcon_auth.errors import NotFoundError
from falcon_auth.strict_json import dump_json

METADATA_PATH = "/.well-known/oauth-authorization-server"


@public
class Metadata:
    """The metadata document of one issuer."""

    def __init__(self, file: File, issuer_path: str) -> None:
        self._shelf = Shelf({"": file})
        self._paths = {"", issuer_path}

    def on_get(self, req: Request, resp: Response, path: str = "") -> None:
        """Answer 200, at the plain path and at the issuer's path (RFC 8414, 3.1)."""
        if path not in self._paths:
            raise NotFoundError
        self._shelf.show(req, resp, "")


def metadata_resources(
    issuer: str, issuer_path: str, public_base: str, scopes: Collection[str]
) -> dict[str, object]:
    """Return the metadata's resource by URI template.

    *issuer_path* is the path of *issuer*, and *public_base* the public base URL of the service;
    neither ends with a slash. *scopes* are all that are declared.
    """
    document = {
        "issuer": issuer,
        "jwks_uri": f"{public_base}/.well-known/jwks.json",
        "introspection_endpoint": f"{public_base}/api/v1/auth/introspect",
        "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "Bearer",
        ],
        "revocation_endpoint": f"{public_base}/api/v1/auth/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
        "scopes_supported": sorted(scopes),
    }
    resource = Metadata(File(MEDIA_JSON, lambda: dump_json(document)), issuer_path)
    return {METADATA_PATH: resource, f"{METADATA_PATH}/{{path:path}}": resource}
