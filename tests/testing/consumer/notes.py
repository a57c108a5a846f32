"""Another team's service: notes that belong to whoever is logged in."""

import requests


class Notes:
    """A resource of the team's own, added to Falcon Auth's application and guarded by it."""

    def on_get(self, req, resp):
        resp.media = {"notes": [], "of": req.context.caller.user.email}


class AuthBackend:
    """What the team's other programs use: a client of a Falcon Auth that runs elsewhere."""

    def __init__(self, url, session=None):
        self._url = url
        self._session = session or requests.Session()

    def log_in(self, email, password):
        answer = self._session.post(
            f"{self._url}/api/v1/auth/login",
            json={"email": email, "password": password},
            timeout=5,
        )
        if answer.status_code == 200:
            return answer.json()["access_token"]
        raise PermissionError(answer.json()["code"])

    def close(self):
        self._session.close()
