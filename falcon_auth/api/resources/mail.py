"""Endpoints that send mails or accept their links; they exist only if mail is configured."""

from __future__ import annotations

from collections.abc import Callable

import falcon
from falcon import Request, Response

from falcon_auth.accounts.address_change import AddressChange
from falcon_auth.accounts.recovery import ResetRequests
from falcon_auth.accounts.verification import Verification
from falcon_auth.api.bodies import BodyReader
from falcon_auth.api.guard import bearer_token, public, requires
from falcon_auth.api.resources.accepted import accept
from falcon_auth.api.resources.disconnect import hung_up
from falcon_auth.models import Caller


class SendVerification:
    """Send the verification mail to the caller's address again."""

    def __init__(self, verification: Verification) -> None:
        self._verification = verification

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 202, whether a mail is due or not."""
        self._verification.ask(req.context.caller, req.context.client)
        accept(resp)


@public  # The credentials are the link's token and a password or bearer token.
class VerifyEmail:
    """Verify an e-mail address."""

    def __init__(self, verification: Verification, authenticate: Callable[[str], Caller]) -> None:
        self._verification = verification
        self._authenticate = authenticate
        self._body = BodyReader("email_verify")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 204, also when repeated."""
        body = self._body.read(req)
        caller = None if req.auth is None else self._authenticate(bearer_token(req))
        self._verification.verify(
            body["token"],
            password=body.get("password"),
            caller=caller,
            client=req.context.client,
            abandoned=hung_up(req),
        )
        resp.status = falcon.HTTP_204


@public
class ForgotPassword:
    """Ask for a link that sets a new password."""

    def __init__(self, requests: ResetRequests) -> None:
        self._requests = requests
        self._body = BodyReader("password_forgot")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 202, whether the address has an account or not."""
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(self._requests.violations(email=body.text("email")))
        self._requests.ask(email=body.members["email"], client=req.context.client)
        accept(resp)


@requires(recent=True)
class ChangeEmail:
    """Ask for a link that changes the e-mail address."""

    def __init__(self, change: AddressChange) -> None:
        self._change = change
        self._body = BodyReader("email_change")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 202, whether the new address is free or taken."""
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(self._change.violations(new_email=body.text("new_email")))
        self._change.ask(
            req.context.caller, new_email=body.members["new_email"], client=req.context.client
        )
        accept(resp)


@public  # The token of the link is the credential; it may be opened in another browser.
class ConfirmEmail:
    """Change the e-mail address by the link in a mail."""

    def __init__(self, change: AddressChange) -> None:
        self._change = change
        self._body = BodyReader("email_confirm")

    def on_post(self, req: Request, resp: Response) -> None:
        """Change the address and end every session except the one that asked; answer 204."""
        self._change.confirm(self._body.read(req)["token"], client=req.context.client)
        resp.status = falcon.HTTP_204
