"""What Schemathesis cannot know: how to log in here, and what is right beside being well-formed."""

import itertools
import os
from http import HTTPStatus

import jwt
import requests
import schemathesis
from hypothesis import strategies as st

PASSWORD = "correct horse battery"
TOKEN = "eyJ"  # How every JWT begins: base64 of `{"`.
PATIENCE = 10.0  # Seconds.
_numbers = itertools.count()
_turns = itertools.count()
# Answers to requests that changed nothing; a 401 may come of a replay, which ends a session.
UNTOUCHED = {400, 404, 405, 406, 413, 415, 422}
_users: dict[str, dict] = {}  # By the Authorization header that is theirs.
_unharmed: list[dict] = []  # Those whom another request may come from.
_owners: dict[str, str] = {}  # By session id: the Authorization header that lists it.

# Reserved names (`.test`, `.example`) are refused, which `format: email` does not say.
_label = st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True, alphabet=st.characters(codec="ascii"))
schemathesis.openapi.format("email", st.builds("{}@{}.com".format, _label, _label))


# What a well-formed body lacks to be a right one; without it only chance brings a success.
_rights = {
    "POST /api/v1/auth/login": lambda user: {"email": user["email"], "password": PASSWORD},
    "POST /api/v1/auth/refresh": lambda user: {"refresh_token": user["refresh_token"]},
    "POST /api/v1/auth/logout": lambda user: {"refresh_token": user["refresh_token"]},
    "PUT /api/v1/auth/password": lambda _: {"current_password": PASSWORD},
}


def put_right(case, user):
    """Turn every other well-formed request into one that this user could have made."""
    if case.meta is None or not case.meta.generation.mode.is_positive or next(_turns) % 2:
        return
    right = _rights.get(case.operation.label)
    if right is not None and not str(case.body.get("refresh_token")).startswith(TOKEN):
        case.body |= right(user)
    elif case.operation.label == "DELETE /api/v1/auth/sessions/{session_id}":
        claims = jwt.decode(user["access_token"], options={"verify_signature": False})
        case.path_parameters = {"session_id": claims["sid"]}


@schemathesis.auth(refresh_interval=None)
class FreshUser:
    """A user for each request, whose sessions no request before may have ended."""

    def get(self, case, ctx):
        if _unharmed:
            return _unharmed.pop()
        body = {"email": f"fuzz-{next(_numbers)}@example.com", "password": PASSWORD}
        url = case.operation.schema.get_base_url().rstrip("/") + "/api/v1/auth/register"
        user = body | requests.post(url, json=body, timeout=PATIENCE).json()
        _users[f"Bearer {user['access_token']}"] = user
        return user

    def set(self, case, data, ctx):
        if case.operation.label == "POST /api/v1/auth/introspect":  # A service asks, not a user.
            case.headers["Authorization"] = f"Bearer {os.environ['SERVICE_TOKEN']}"
            return
        given = str(case.headers.get("Authorization", ""))
        owner = _owners.get(str((case.path_parameters or {}).get("session_id")))
        if owner is not None:
            case.headers["Authorization"] = owner
        elif not given.startswith(f"Bearer {TOKEN}"):  # One that came by a link stays.
            put_right(case, data)
            case.headers["Authorization"] = f"Bearer {data['access_token']}"


@schemathesis.hook
def after_call(context, case, response):
    """Remember whose sessions live on, and who may end which.

    Links carry answers on, but not who asked.
    """
    user = _users.get(response.request.headers.get("Authorization"))
    if user and user not in _unharmed and response.status_code in UNTOUCHED:
        _unharmed.append(user)
    if (
        case.operation.label == "GET /api/v1/auth/sessions"
        and response.status_code == HTTPStatus.OK
    ):
        for session in response.json()["sessions"]:
            _owners[session["id"]] = response.request.headers["Authorization"]
