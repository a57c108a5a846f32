"""What Schemathesis cannot know: how to log in here, and which addresses are accepted."""

import itertools
import os
from http import HTTPStatus

import requests
import schemathesis
from hypothesis import strategies as st

PASSWORD = "correct horse battery"
TOKEN = "Bearer eyJ"  # How every JWT begins: base64 of `{"`.
PATIENCE = 10.0  # Seconds.
_numbers = itertools.count()
_owners: dict[str, str] = {}  # By session id: the Authorization header that lists it.

# Reserved names (`.test`, `.example`) are refused, which `format: email` does not say.
_label = st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True, alphabet=st.characters(codec="ascii"))
schemathesis.openapi.format("email", st.builds("{}@{}.com".format, _label, _label))


@schemathesis.auth(refresh_interval=None)
class FreshUser:
    """A user of its own for each request: one may end the sessions of the user it comes from."""

    def get(self, case, ctx):
        body = {"email": f"fuzz-{next(_numbers)}@example.com", "password": PASSWORD}
        url = case.operation.schema.get_base_url().rstrip("/") + "/api/v1/auth/register"
        return requests.post(url, json=body, timeout=PATIENCE).json()["access_token"]

    def set(self, case, data, ctx):
        if case.operation.label == "POST /api/v1/auth/introspect":  # A service asks, not a user.
            case.headers["Authorization"] = f"Bearer {os.environ['SERVICE_TOKEN']}"
            return
        given = str(case.headers.get("Authorization", ""))
        owner = _owners.get(str((case.path_parameters or {}).get("session_id")))
        if owner is not None:
            case.headers["Authorization"] = owner
        elif not given.startswith(TOKEN):  # One that came by a link, out of an answer, stays.
            case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def after_call(context, case, response):
    """Remember who may end a session: links carry answers on, but not who asked."""
    if (
        case.operation.label == "GET /api/v1/auth/sessions"
        and response.status_code == HTTPStatus.OK
    ):
        for session in response.json()["sessions"]:
            _owners[session["id"]] = response.request.headers["Authorization"]
