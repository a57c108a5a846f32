"""Guarded resources that show the caller."""

from __future__ import annotations

from falcon import Request, Response

from falcon_auth.api.views import show_user


class Profile:
    """Shows the caller's user record."""

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with the user's fields."""
        resp.media = {"message": "This is protected data", **show_user(req.context.caller.user)}


class Protected:
    """The smallest guarded resource: an example to copy."""

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with a greeting."""
        resp.media = {"message": "Access granted", "user": req.context.caller.user.email}
