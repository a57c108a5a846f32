"""The caller's own account: show, rename, delete; and set a password by the link in a mail."""

from __future__ import annotations

import falcon
from falcon import Request, Response

from falcon_auth.accounts.own_account import OwnAccount
from falcon_auth.accounts.recovery import PasswordReset
from falcon_auth.api.bodies import BodyReader
from falcon_auth.api.guard import public, requires
from falcon_auth.api.resources.disconnect import hung_up
from falcon_auth.api.views import show_session, show_user


class Account:
    """The caller's own account."""

    def __init__(self, account: OwnAccount) -> None:
        self._account = account
        self._body = BodyReader("account_change")

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with everything that is stored about the caller."""
        caller = req.context.caller
        kept = self._account.show(caller)
        resp.media = {
            "user": show_user(kept.user),
            "sessions": [
                show_session(session, current=caller.session_id) for session in kept.sessions
            ],
            **kept.sections,
        }

    def on_patch(self, req: Request, resp: Response) -> None:
        """Change the user name; answer 200 with the user."""
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(self._account.violations(username=body.text("username")))
        user = self._account.rename(req.context.caller, body.members["username"])
        resp.media = show_user(user)

    @requires(recent=True)
    def on_delete(self, req: Request, resp: Response) -> None:
        """Delete the caller."""
        self._account.delete(req.context.caller)
        resp.status = falcon.HTTP_204


@public  # The token of the link is the credential.
class ResetPassword:
    """Set a password by the link in a mail."""

    def __init__(self, reset: PasswordReset) -> None:
        self._reset = reset
        self._body = BodyReader("password_reset")

    def on_post(self, req: Request, resp: Response) -> None:
        """Set the password and end every session; answer 204."""
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(self._reset.violations(new_password=body.text("new_password")))
        self._reset.reset(
            body.members["token"],
            new_password=body.members["new_password"],
            client=req.context.client,
            abandoned=hung_up(req),
        )
        resp.status = falcon.HTTP_204
