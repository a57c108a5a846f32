"""Refresh, log out, list and end sessions."""

from __future__ import annotations

import falcon
from falcon import Request, Response

from falcon_auth.api.bodies import BodyReader
from falcon_auth.api.guard import public
from falcon_auth.api.refresh_cookie import RefreshCookie
from falcon_auth.api.views import show_session, show_tokens
from falcon_auth.sessions.sessions import Sessions


@public
class Refresh:
    """Exchange a refresh token for its successor."""

    def __init__(self, sessions: Sessions, cookie: RefreshCookie) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._body = BodyReader("refresh")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 200 with tokens, the next refresh token where the former one was."""
        body = self._body.read(req)
        if "refresh_token" in body:
            resp.media = show_tokens(self._sessions.refresh(body["refresh_token"]))
            return
        with self._cookie.token_of(req, resp) as token:
            pair = self._sessions.refresh(token)
        resp.media = self._cookie.hand_out(resp, pair, in_cookie=True)


@public
class Logout:
    """End the session of a refresh token."""

    def __init__(self, sessions: Sessions, cookie: RefreshCookie) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._body = BodyReader("logout")

    def on_post(self, req: Request, resp: Response) -> None:
        """Answer 204, also when repeated."""
        body = self._body.read(req)
        if "refresh_token" in body:
            self._sessions.log_out(body["refresh_token"])
        else:
            with self._cookie.token_of(req, resp) as token:
                self._sessions.log_out(token)
            self._cookie.clear(resp)
        resp.status = falcon.HTTP_204


class SessionList:
    """The sessions of the caller."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with the live sessions, newest first."""
        caller = req.context.caller
        resp.media = {
            "sessions": [
                show_session(session, current=caller.session.id)
                for session in self._sessions.list(caller)
            ]
        }

    def on_delete(self, req: Request, resp: Response) -> None:
        """End all of them, including the current one; answer 204."""
        self._sessions.end_all(req.context.caller)
        resp.status = falcon.HTTP_204


class SessionItem:
    """One session of the caller."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def on_delete(self, req: Request, resp: Response, session_id: str) -> None:
        """End the session; answer 204."""
        self._sessions.end(req.context.caller, session_id)
        resp.status = falcon.HTTP_204
