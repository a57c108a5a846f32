"""A small notes service with Falcon Auth inside: `python examples/notes/notes.py`.

Registration, log-in and everything else about users come with `build`; what this file adds are
its own resources and which scopes they ask for. README.md shows how to use it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import falcon
from falcon import Request, Response
from note_store import Note, NoteStore

from falcon_auth import requires
from falcon_auth.commands.serve import build, serve_app
from falcon_auth.errors import InvalidBodyError, NotFoundError, Violation
from falcon_auth.service import FalconAuth

MAX_BYTES = 10_000


class Notes:
    """The caller's notes."""

    def __init__(self, notes: NoteStore) -> None:
        self._notes = notes

    @requires("notes:read")
    def on_get(self, req: Request, resp: Response) -> None:
        """List the newest."""
        found = self._notes.list_of(req.context.caller.user.id)
        resp.media = {"notes": [show(note) for note in found]}

    @requires("notes:write")
    def on_post(self, req: Request, resp: Response) -> None:
        """Write one; answer 201 with it."""
        note = self._notes.add(req.context.caller.user.id, text_of(req))
        resp.status = falcon.HTTP_201
        resp.location = f"/notes/{note.id}"
        resp.media = show(note)


class OneNote:
    """A note of the caller's; anybody else's is 404, so that nobody learns which there are."""

    def __init__(self, notes: NoteStore) -> None:
        self._notes = notes

    @requires("notes:read")
    def on_get(self, req: Request, resp: Response, note_id: str) -> None:
        """Show it."""
        note = self._notes.find(note_id)
        if note is None or note.owner != req.context.caller.user.id:
            raise NotFoundError
        resp.media = show(note)

    @requires("notes:write")
    def on_delete(self, req: Request, resp: Response, note_id: str) -> None:
        """Delete it; answer 204."""
        if not self._notes.delete(note_id, owner=req.context.caller.user.id):
            raise NotFoundError
        resp.status = falcon.HTTP_204


@requires("admin", recent=True)  # Of the class: it holds for each responder.
class NotesOfUser:
    """All notes of one user, for administrators who have just proved who they are."""

    def __init__(self, notes: NoteStore) -> None:
        self._notes = notes

    def on_get(self, req: Request, resp: Response, user_id: str) -> None:  # noqa: ARG002 - Falcon's shape
        """List the newest."""
        resp.media = {"notes": [show(note) for note in self._notes.list_of(user_id)]}

    def on_delete(self, req: Request, resp: Response, user_id: str) -> None:  # noqa: ARG002 - Falcon's shape
        """Delete all of them, as after the deletion of the user; answer 204."""
        self._notes.delete_all_of(user_id)
        resp.status = falcon.HTTP_204


def show(note: Note) -> dict[str, object]:
    """Return a note as clients see it."""
    return {"id": note.id, "text": note.text}


def text_of(req: Request) -> str:
    """Return the text in the body of a request.

    Raises `InvalidBodyError`, which is answered like every other refusal; it does not quote what
    was sent.
    """
    body = req.get_media()
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str) or not 1 <= byte_count(text) <= MAX_BYTES:
        detail = f"Must be a text of 1 to {MAX_BYTES} bytes in UTF-8."
        raise InvalidBodyError([Violation("/text", InvalidBodyError.code, detail)])
    return text


def byte_count(text: str) -> int:
    """Return the length in UTF-8; 0 for what has none, as the lone surrogate of a JSON escape."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0


def add_notes(app: FalconAuth, notes: NoteStore) -> None:
    """Add the resources. Raises `ValueError` if SCOPES lacks a scope that they ask for."""
    app.add_route("/notes", Notes(notes))
    app.add_route("/notes/{note_id}", OneNote(notes))
    app.add_route("/users/{user_id}/notes", NotesOfUser(notes))


if __name__ == "__main__":
    application = build()
    add_notes(application, NoteStore(Path(os.environ.get("NOTES_FILE", "notes.db"))))
    sys.exit(serve_app(application))
