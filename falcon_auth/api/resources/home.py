"""The root path, for users who enter only the host name."""

from __future__ import annotations

import falcon
from falcon import Request, Response

from falcon_auth.api.guard import public


@public
class Home:
    """Redirects a browser to the account page or the documentation."""

    def __init__(self, target: str) -> None:
        self._target = target  # A path of this service.

    def on_get(self, _req: Request, resp: Response) -> None:
        """Redirect with 303: the target is another resource (RFC 9110, 15.4.4)."""
        resp.status = falcon.HTTP_303
        resp.location = self._target
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"{self._target}\n"  # For clients that do not follow redirects, such as curl.
