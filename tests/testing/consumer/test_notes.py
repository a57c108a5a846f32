"""The other team's tests. Every fixture that begins with `auth_` comes from Falcon Auth."""

import pytest
import requests
from notes import AuthBackend, Notes


@pytest.fixture
def app(auth_service):
    auth_service.app.add_route("/notes", Notes())
    return auth_service.app


def test_a_user_sees_notes(app, auth_client, auth_user):
    answer = auth_client.simulate_get("/notes", headers=auth_user.headers)

    assert answer.json == {"notes": [], "of": auth_user.email}


def test_every_bad_token_is_refused(app, auth_client, auth_user, auth_forge):
    for kind, (make, code) in auth_forge.refused().items():
        headers = {"Authorization": f"Bearer {make(auth_user)}"}
        answer = auth_client.simulate_get("/notes", headers=headers)
        assert (answer.status_code, answer.json["code"]) == (401, code), kind


def test_a_session_ends_while_the_user_is_away(app, auth_client, auth_user, auth_clock):
    auth_clock.advance(minutes=16)

    assert auth_client.simulate_get("/notes", headers=auth_user.headers).status_code == 401


@pytest.fixture
def backend(auth_service, auth_contract):
    session = requests.Session()
    session.hooks["response"].append(auth_contract)
    backend = AuthBackend(auth_service.url, session)
    yield backend
    backend.close()


def test_our_client_logs_in_over_the_network(backend, auth_user):
    assert backend.log_in(auth_user.email, auth_user.password)


def test_our_client_knows_a_refusal(backend, auth_user):
    with pytest.raises(PermissionError, match="INVALID_CREDENTIALS"):
        backend.log_in(auth_user.email, "wrong")


class TestLimits:
    @pytest.fixture
    def auth_settings(self):
        return {"rate_limit_requests": 1}

    def test_our_client_gets_retry_after(self, backend, auth_user):
        with pytest.raises(PermissionError, match="INVALID_CREDENTIALS"):
            backend.log_in(auth_user.email, "wrong")
        with pytest.raises(PermissionError, match="RATE_LIMITED"):
            backend.log_in(auth_user.email, auth_user.password)
