"""Register, log in, and change the password."""

from __future__ import annotations

import falcon
from falcon import Request, Response

from falcon_auth.accounts.login import PasswordLogin
from falcon_auth.accounts.password_change import PasswordChange
from falcon_auth.accounts.registration import Registration
from falcon_auth.api.bodies import BodyReader
from falcon_auth.api.guard import public
from falcon_auth.api.refresh_cookie import RefreshCookie, wants_cookie
from falcon_auth.api.resources.accepted import accept
from falcon_auth.api.resources.disconnect import hung_up


@public
class Register:
    """Create a user and log them in."""

    def __init__(self, registration: Registration, cookie: RefreshCookie) -> None:
        self._registration = registration
        self._cookie = cookie
        self._body = BodyReader("register")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 201 with a registration, or 202 where the address is to be confirmed first."""
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(
                self._registration.violations(
                    email=body.text("email"),
                    password=body.text("password"),
                    username=body.text("username"),
                )
            )
        pair = self._registration.register(
            email=body.members["email"],
            password=body.members["password"],
            username=body.members.get("username"),
            client=req.context.client,
            abandoned=hung_up(req),
        )
        if pair is None:
            accept(resp)
            return
        resp.status = falcon.HTTP_201
        resp.media = {
            "message": "User registered",
            "email": pair.user.email,
            **self._cookie.hand_out(resp, pair, in_cookie=wants_cookie(body.members)),
        }


@public
class Login:
    """Exchange an e-mail address and a password for a token pair."""

    def __init__(self, login: PasswordLogin, cookie: RefreshCookie) -> None:
        self._login = login
        self._cookie = cookie
        self._body = BodyReader("login")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with tokens."""
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(self._login.violations(email=body.text("email")))
        pair = self._login.log_in(
            email=body.members["email"],
            password=body.members["password"],
            client=req.context.client,
            abandoned=hung_up(req),
        )
        resp.media = self._cookie.hand_out(resp, pair, in_cookie=wants_cookie(body.members))


class Password:
    """Change the caller's password."""

    def __init__(self, password_change: PasswordChange) -> None:
        self._password_change = password_change
        self._body = BodyReader("password")

    def on_put(self, req: Request, resp: Response) -> None:
        """Change the password and end every other session; answer 204."""
        caller = req.context.caller
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(
                self._password_change.violations(caller, new_password=body.text("new_password"))
            )
        self._password_change.change(
            caller,
            current_password=body.members["current_password"],
            new_password=body.members["new_password"],
            client=req.context.client,
            abandoned=hung_up(req),
        )
        resp.status = falcon.HTTP_204
