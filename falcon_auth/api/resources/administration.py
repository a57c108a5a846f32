"""Administration of users: look through them, invite, change and delete them.

Every request asks for a recent proof of who calls, also those that only read: whoever finds an
administrator's device unlocked must not get a copy of everybody's addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import falcon
from falcon import Request, Response

from falcon_auth.access.scopes import USERS_READ, USERS_WRITE
from falcon_auth.accounts.directory import Directory
from falcon_auth.accounts.invitation import Inviting
from falcon_auth.accounts.user_changes import UserChanges
from falcon_auth.api.bodies import BodyReader
from falcon_auth.api.guard import requires
from falcon_auth.api.queries import QueryReader
from falcon_auth.api.views import show_listed_user, show_managed_user, show_session
from falcon_auth.store import Authority
from falcon_auth.store.directory import UNCHANGED, UserChange

MAIL_SENT = "A mail with a link to set a password is on its way to the user"
HAND_OVER = "Hand the token over to the user: it sets a password"


@requires(recent=True)
class UserList:
    """All users."""

    def __init__(self, directory: Directory, inviting: Inviting) -> None:
        self._directory = directory
        self._inviting = inviting
        self._query = QueryReader("users_query")
        self._body = BodyReader("user_creation")

    @requires(USERS_READ)
    def on_get(self, req: Request, resp: Response) -> None:
        """Answer 200 with a page of users, newest first."""
        page = self._directory.find_page(**self._query.read_query(req))
        resp.media = {"users": [show_listed_user(each) for each in page.users], "next": page.next}

    @requires(USERS_WRITE)
    def on_post(self, req: Request, resp: Response) -> None:
        """Invite somebody; answer 201 with the user."""
        body = self._body.examine(req)
        if body.violations:
            broken = self._inviting.violations(
                email=body.text("email"), username=body.text("username")
            )
            raise body.refusal(broken)
        invitation = self._inviting.invite(**body.members, by=_authority(req))
        resp.status = falcon.HTTP_201
        resp.media = show_managed_user(invitation.user, ()) | (
            {} if invitation.token is None else {"invitation": invitation.token}
        )


@requires(recent=True)
class UserItem:
    """One user."""

    def __init__(self, directory: Directory, changes: UserChanges) -> None:
        self._directory = directory
        self._changes = changes
        self._body = BodyReader("user_change")

    @requires(USERS_READ)
    def on_get(self, req: Request, resp: Response, user_id: str) -> None:  # noqa: ARG002 - Falcon's shape
        """Answer 200 with the user and the second factors."""
        resp.media = self._show(user_id)

    @requires(USERS_WRITE)
    def on_patch(self, req: Request, resp: Response, user_id: str) -> None:
        """Change all that is given, or nothing; answer 200 with the user."""
        body = self._body.examine(req)
        if body.violations:
            raise body.refusal(self._changes.violations(username=body.text("username")))
        self._changes.change(user_id, _change_of(body.members), by=_authority(req))
        resp.media = self._show(user_id)

    @requires(USERS_WRITE)
    def on_delete(self, req: Request, resp: Response, user_id: str) -> None:
        """Delete the user with everything stored about them; answer 204."""
        self._changes.delete(user_id, by=_authority(req))
        resp.status = falcon.HTTP_204

    def _show(self, user_id: str) -> dict[str, Any]:
        holder = self._directory.show(user_id)
        return show_managed_user(holder.user, holder.counted)


@requires(USERS_WRITE, recent=True)
class UserPasswordReset:
    """A link to set a password, for a user who cannot log in."""

    def __init__(self, changes: UserChanges) -> None:
        self._changes = changes

    def on_post(self, req: Request, resp: Response, user_id: str) -> None:
        """Answer 202; with the token if the service sends no mail."""
        token = self._changes.request_reset(user_id, by=_authority(req))
        resp.status = falcon.HTTP_202
        resp.media = (
            {"message": MAIL_SENT} if token is None else {"message": HAND_OVER, "reset": token}
        )


@requires(USERS_WRITE, recent=True)
class UserSessions:
    """The sessions of a user."""

    def __init__(self, directory: Directory, changes: UserChanges) -> None:
        self._directory = directory
        self._changes = changes

    def on_get(self, req: Request, resp: Response, user_id: str) -> None:
        """Answer 200 with the live sessions, newest first."""
        current = req.context.caller.session_id
        resp.media = {
            "sessions": [
                show_session(each, current=current)
                for each in self._directory.list_sessions(user_id)
            ]
        }

    def on_delete(self, req: Request, resp: Response, user_id: str) -> None:
        """End all of them; answer 204."""
        self._changes.change(user_id, UserChange(end_sessions=True), by=_authority(req))
        resp.status = falcon.HTTP_204


@requires(USERS_WRITE, recent=True)
class UserFactors:
    """The second factors of a user."""

    def __init__(self, changes: UserChanges) -> None:
        self._changes = changes

    def on_delete(self, req: Request, resp: Response, user_id: str) -> None:
        """Remove all of them and the recovery codes; answer 204."""
        self._changes.change(user_id, UserChange(remove_factors=True), by=_authority(req))
        resp.status = falcon.HTTP_204


def _authority(req: Request) -> Authority:
    """Return in whose name a request changes users."""
    return Authority(req.context.caller.user_id, USERS_WRITE)


def _change_of(members: Mapping[str, Any]) -> UserChange:
    roles = members.get("roles")
    return UserChange(
        is_active=members.get("is_active"),
        email_verified=members.get("email_verified"),
        username=members.get("username", UNCHANGED),
        roles=None if roles is None else frozenset(roles),
    )
