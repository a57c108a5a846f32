"""The resources. Each translates HTTP to a use case and back, and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import falcon
from falcon import Request, Response

from falcon_auth import __version__
from falcon_auth.accounts import Accounts
from falcon_auth.api.bodies import BodyReader
from falcon_auth.api.guard import public
from falcon_auth.api.views import show_session, show_time, show_tokens, show_user
from falcon_auth.sessions import Sessions


@public
class Register:
    """Make a user, and log it in."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._body = BodyReader("register")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 201 with a registration."""
        body = self._body.read(req, self._accounts.registration_breaches)
        pair = self._accounts.register(
            email=body["email"],
            password=body["password"],
            username=body.get("username"),
            client=req.context.client,
            abandoned=hung_up(req),
        )
        resp.status = falcon.HTTP_201
        resp.media = {
            "message": "User registered",
            "email": pair.user.email,
            **show_tokens(pair),
        }


@public
class Login:
    """Exchange an e-mail address and a password for a token pair."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._body = BodyReader("login")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with tokens."""
        body = self._body.read(req)
        pair = self._accounts.log_in(
            email=body["email"],
            password=body["password"],
            client=req.context.client,
            abandoned=hung_up(req),
        )
        resp.media = show_tokens(pair)


@public
class Refresh:
    """Exchange a refresh token for its successor."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._body = BodyReader("refresh")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with tokens."""
        body = self._body.read(req)
        resp.media = show_tokens(self._sessions.refresh(body["refresh_token"]))


@public
class Logout:
    """End the session of a refresh token."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._body = BodyReader("logout")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 204, again on repeat."""
        body = self._body.read(req)
        self._sessions.log_out(body["refresh_token"])
        resp.status = falcon.HTTP_204


class SessionList:
    """The sessions of the caller."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def on_get(self, req: Request, resp: Response) -> None:
        """List the live ones."""
        caller = req.context.caller
        resp.media = {
            "sessions": [
                show_session(session, current=caller.session.id)
                for session in self._sessions.list(caller)
            ]
        }

    def on_delete(self, req: Request, resp: Response) -> None:
        """End all of them, this one too."""
        self._sessions.end_all(req.context.caller)
        resp.status = falcon.HTTP_204


class SessionItem:
    """One session of the caller."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def on_delete(self, req: Request, resp: Response, session_id: str) -> None:
        """End it."""
        self._sessions.end(req.context.caller, session_id)
        resp.status = falcon.HTTP_204


class Password:
    """The caller's password."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._body = BodyReader("password")

    def on_put(self, req: Request, resp: Response) -> None:
        """Change it; every other session ends."""
        caller = req.context.caller
        body = self._body.read(req, lambda body: self._accounts.change_breaches(caller.user, body))
        self._accounts.change_password(
            caller,
            current=body["current_password"],
            new=body["new_password"],
            client=req.context.client,
            abandoned=hung_up(req),
        )
        resp.status = falcon.HTTP_204


class Profile:
    """The caller, with all fields."""

    def on_get(self, req: Request, resp: Response) -> None:
        """Show the user."""
        resp.media = {"message": "This is protected data", **show_user(req.context.caller.user)}


class Protected:
    """The smallest guarded resource: an example to copy."""

    def on_get(self, req: Request, resp: Response) -> None:
        """Greet the caller."""
        resp.media = {"message": "Access granted", "user": req.context.caller.user.email}


@public
class Health:
    """Whether the process is alive."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def on_get(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - Falcon's shape
        """Answer 200 for as long as anything is answered."""
        resp.media = {
            "status": "ok",
            "timestamp": show_time(self._clock()),
            "version": __version__,
        }


@public
class Ready:
    """Whether the service can do its work; each check returns a mapping with `status`."""

    def __init__(self, checks: Mapping[str, Callable[[], Mapping[str, Any]]]) -> None:
        self._checks = checks

    def on_get(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - Falcon's shape
        """Answer 200 if every check is ok, else 503."""
        checks = {name: check() for name, check in self._checks.items()}
        ready = all(check["status"] == "ok" for check in checks.values())
        resp.status = falcon.HTTP_200 if ready else falcon.HTTP_503
        resp.media = {"status": "ok" if ready else "unavailable", "checks": checks}


def hung_up(req: Request) -> Callable[[], bool] | None:
    """Return how to ask whether the client has gone, where the server can tell."""
    return req.env.get("waitress.client_disconnected")
